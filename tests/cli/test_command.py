"""Commands whose flags are the settings."""

import pytest

from usb_ext.cli.main import main


def test_the_command_needs_settings_and_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pretrain"]) == 2
    assert "pretrain needs settings" in capsys.readouterr().err
    assert main(["pretrain", "--help"]) == 0
    assert "--ssl_crop_min" in capsys.readouterr().out
    assert main(["pretrain", "--ssl_epoch", "3"]) == 2
    assert "did you mean --ssl_epochs?" in capsys.readouterr().err
