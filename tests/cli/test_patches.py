"""`usb-ext export-patches`: mistakes in one line."""

from pathlib import Path

import pytest

from usb_ext.cli.main import main


def test_a_folder_without_patches_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export-patches", "--source", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "holds no sources of patches" in said and "--source" in said
