"""Commands whose flags are the settings, and wrong flags in one line."""

import pytest

from usb_ext.cli.command import OneLineParser
from usb_ext.cli.main import main
from usb_ext.core.errors import SettingsError


def test_the_command_needs_settings_and_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pretrain"]) == 2
    assert "pretrain needs settings" in capsys.readouterr().err
    assert main(["pretrain", "--help"]) == 0
    assert "--ssl_crop_min" in capsys.readouterr().out
    assert main(["pretrain", "--ssl_epoch", "3"]) == 2
    assert "did you mean --ssl_epochs?" in capsys.readouterr().err


def test_a_wrong_flag_is_one_line_with_the_command() -> None:
    parser = OneLineParser(prog="usb-ext thing")
    with pytest.raises(
        SettingsError, match=r"unrecognized arguments: --x; see `usb-ext thing --help`"
    ):
        parser.parse_args(["--x"])
