"""The list of commands: each can be had, and the list alone costs no import."""

import subprocess
import sys

import pytest

from usb_ext.cli.command import Command, SettingsCommand
from usb_ext.cli.table import COMMANDS, Listed, help_of


@pytest.mark.parametrize("listed", COMMANDS, ids=[listed.name for listed in COMMANDS])
def test_each_is_where_the_list_says(listed: Listed) -> None:
    assert isinstance(listed.load(), Command | SettingsCommand)


def test_no_name_stands_twice() -> None:
    names = [listed.name for listed in COMMANDS]
    assert sorted(set(names)) == sorted(names)


def test_help_is_that_of_the_list() -> None:
    assert help_of("bench") == next(listed.help for listed in COMMANDS if listed.name == "bench")
    with pytest.raises(KeyError, match="nosuch"):
        help_of("nosuch")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["trian"]], ids=" ".join)
def test_help_and_a_wrong_name_import_no_settings(words: list[str]) -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys\nfrom usb_ext.cli.main import main\n"
            f"code = main({words!r})\n"
            "heavy = {'pydantic', 'numpy', 'torch', 'semilearn'} & set(sys.modules)\n"
            "print(code, sorted(heavy))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines()[-1] == f"{2 if words == ['trian'] else 0} []"
