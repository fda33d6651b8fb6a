"""Commands whose flags are the settings, and wrong flags in one line."""

from pathlib import Path

import pytest
from support.settings_files import yaml

from usb_ext.cli.command import OneLineParser, settings_of
from usb_ext.core.errors import SettingsError

SHOWN: list[str] = []


def show(text: str) -> int:
    SHOWN.append(text)
    return 0


def test_settings_come_from_a_file_and_flags_and_flags_win(tmp_path: Path) -> None:
    path = yaml(tmp_path / "a.yaml", "seed: 3", "lr: 0.5")
    loaded = settings_of("thing", ["--c", str(path), "--seed", "7"], show)
    assert loaded is not None and (loaded.settings.seed, loaded.settings.lr) == (7, 0.5)
    with pytest.raises(SettingsError, match="thing needs settings: --c FILE.*usb-ext thing --help"):
        settings_of("thing", [], show)


def test_help_shows_every_setting_and_gives_none() -> None:
    SHOWN.clear()
    for words in (["--help-all"], ["--lr", "0.1", "-h", "--help-all"], ["--help"]):
        assert settings_of("thing", words, show) is None
    assert SHOWN[0] == SHOWN[1] and "--ssl_crop_min" in SHOWN[0]
    assert "--ssl_crop_min" not in SHOWN[2] and "usb-ext thing --help-all" in SHOWN[2]


def test_a_wrong_flag_is_one_line_with_the_command() -> None:
    parser = OneLineParser(prog="usb-ext thing")
    with pytest.raises(
        SettingsError, match=r"unrecognized arguments: --x; see `usb-ext thing --help`"
    ):
        parser.parse_args(["--x"])
