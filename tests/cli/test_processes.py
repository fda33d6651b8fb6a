"""The one word of `train`, `pretrain`, `as3l` and `features` that is no setting: `--devices`."""

import pytest
from support.processes import variables

from usb_ext.cli.main import main
from usb_ext.cli.processes import LOOKS, SHARED, take_devices
from usb_ext.cli.table import COMMANDS
from usb_ext.core.errors import SettingsError


def test_devices_is_taken_out_of_the_words() -> None:
    words = ["--c", "a.yaml", "--devices", "3", "--lr", "1"]
    assert take_devices(words) == (["--c", "a.yaml", "--lr", "1"], 3)
    assert take_devices(["--devices=2"]) == ([], 2)
    assert take_devices(words[:2]) == (words[:2], None)


@pytest.mark.parametrize("words", [["--devices"], ["--devices", "0"], ["--devices=two"]], ids=str)
def test_devices_is_a_number(words: list[str]) -> None:
    with pytest.raises(SettingsError, match="--devices .*such as"):
        take_devices(words)


@pytest.fixture
def one_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(0, 2, 1).items():
        monkeypatch.setenv(name, value)


def test_every_command_is_shared_or_looks_or_is_refused_to_one_of_several(
    one_of_two: None, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {command.name for command in COMMANDS}
    assert names >= {*SHARED, *LOOKS} and not {*SHARED} & {*LOOKS}
    alone = names - {*SHARED, *LOOKS}
    assert {"compare", "sweep", "study", "prior-grid", "start", "select", "propagate"} <= alone
    for name in sorted(alone):
        assert main([name]) == 2
        told = capsys.readouterr().err
        assert (
            f"WORLD_SIZE is 2 in the environment, as torchrun sets it, but `usb-ext {name}`" in told
        )
    assert main(["algorithms"]) == 0


def test_processes_start_no_processes(one_of_two: None, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--dataset", "digits", "--num_classes", "10", "--num_labels", "10"]
    assert main([*words, "--devices", "2"]) == 2
    assert "already one of 2" in capsys.readouterr().err
