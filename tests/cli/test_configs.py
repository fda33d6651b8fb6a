"""`usb-ext configs` and names in place of files, from an empty folder."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.settings_files import CONFIG

import usb_ext
from usb_ext.cli import main as cli

DIGITS = "layermatch_digits_10"


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Run the command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = cli.main(words)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_configs_lists_every_file_with_what_it_is_for(call: Any) -> None:
    code, out, err = call("configs")
    assert (code, err) == (0, "")
    listed = dict(line.split(": ", 1) for line in out.splitlines())
    assert list(listed) == sorted(path.stem for path in CONFIG.glob("*.yaml"))
    assert listed[DIGITS].startswith("LayerMatch on scikit-learn's 1,797 handwritten digits")


@pytest.mark.parametrize("name", [DIGITS, f"{DIGITS}.yaml"])
def test_a_copy_is_the_file_itself(call: Any, tmp_path: Path, name: str) -> None:
    assert call("configs", "copy", name) == (0, f"{DIGITS}.yaml\n", "")
    copied = tmp_path / f"{DIGITS}.yaml"
    assert copied.read_bytes() == (CONFIG / f"{DIGITS}.yaml").read_bytes()
    assert list(tmp_path.iterdir()) == [copied]


def test_a_copy_goes_where_it_is_asked_to(call: Any, tmp_path: Path) -> None:
    assert call("configs", "copy", DIGITS, "--to", "mine.yml") == (0, "mine.yml\n", "")
    assert (tmp_path / "mine.yml").read_bytes() == (CONFIG / f"{DIGITS}.yaml").read_bytes()


@pytest.mark.parametrize("words", [[], ["--to", "mine.yaml"], ["--to", "folder"]])
def test_a_copy_overwrites_nothing(call: Any, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("mine.yaml", f"{DIGITS}.yaml"):
        (tmp_path / name).write_text("mine")
    code, out, err = call("configs", "copy", DIGITS, *words)
    target = words[-1] if words else f"{DIGITS}.yaml"
    assert (code, out) == (2, "")
    assert err == (
        f"usb-ext: {target} exists already, and nothing was written; give another one with --to FILE\n"
    )
    assert {p.name for p in tmp_path.iterdir()} == {"folder", "mine.yaml", f"{DIGITS}.yaml"}
    assert (tmp_path / "mine.yaml").read_text() == (tmp_path / f"{DIGITS}.yaml").read_text()


def test_a_place_that_is_not_there_is_said(call: Any) -> None:
    code, _, err = call("configs", "copy", DIGITS, "--to", "no/where.yaml")
    assert code == 2
    assert err == "usb-ext: no/where.yaml cannot be written: No such file or directory\n"


def test_an_unknown_name_to_copy_gets_the_nearest(call: Any, tmp_path: Path) -> None:
    code, _, err = call("configs", "copy", "layermatch_digit_10")
    assert code == 2 and err.count("\n") == 1
    assert f"did you mean {DIGITS}" in err
    assert list(tmp_path.iterdir()) == []


def test_check_config_takes_names(call: Any) -> None:
    code, out, _ = call("check-config", DIGITS, f"config/{DIGITS}.yaml")
    first, second = out.splitlines()
    assert code == 2 and first == f"{DIGITS}: ok"
    assert (
        second.startswith(f"config/{DIGITS}.yaml: No such file") and f"use --c {DIGITS}" in second
    )


UNKNOWN = "layermatch_digit_10"


@pytest.mark.parametrize(
    "command",
    [
        ["train"], ["as3l"], ["pretrain"], ["prior-grid"], ["compare", "--methods", "fixmatch"],
        ["select", "--features", "x.npz", "--budget", "10"], ["propagate", "--features", "x.npz"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_every_command_with_settings_looks_names_up(call: Any, command: list[str]) -> None:
    code, out, err = call(*command, "--c", UNKNOWN)
    assert (code, out) == (2, "")
    assert err.startswith(f"usb-ext: {UNKNOWN}: No such file") and f"did you mean {DIGITS}" in err
    code, _, err = call(*command, "--c", DIGITS, "--img_size", "0")
    assert code == 2 and err.startswith("usb-ext: img_size: got 0"), "the shipped file was read"


@pytest.mark.parametrize(
    "words",
    [
        ["configs"],
        ["configs", "copy", DIGITS],
        ["configs", "copy", UNKNOWN],
        ["train", "--c", UNKNOWN],
        ["compare", "--methods", "fixmatch", "--c", UNKNOWN],
    ],
    ids=" ".join,
)
def test_names_are_answered_without_torch(tmp_path: Path, words: list[str]) -> None:
    code = (
        "import sys; from usb_ext.cli.main import main; main(sys.argv[1:])\n"
        "print('LOADED', sorted({'torch', 'semilearn', 'numpy', 'sklearn'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(usb_ext.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stderr
