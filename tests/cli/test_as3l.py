"""`usb-ext prior-grid`: its flags beside the settings, and mistakes in one line."""

import pytest

from usb_ext.cli.main import main


def test_help_names_its_own_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prior-grid", "--help"]) == 0
    assert "--strategies" in capsys.readouterr().out
