"""The one word of `train`, `pretrain`, `as3l` and `features` that is no setting: `--devices`."""

import pytest

from usb_ext.cli.main import main
from usb_ext.cli.processes import take_devices
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


def test_processes_start_no_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (
        ("WORLD_SIZE", "2"),
        ("RANK", "0"),
        ("MASTER_ADDR", "x"),
        ("MASTER_PORT", "1"),
    ):
        monkeypatch.setenv(name, value)
    words = ["train", "--dataset", "digits", "--num_classes", "10", "--num_labels", "10"]
    assert main([*words, "--devices", "2"]) == 2
    assert "already one of 2" in capsys.readouterr().err
