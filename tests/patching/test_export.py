"""The series of patches made again; that it is the committed one is shown in test_patches.py."""

import shutil
from pathlib import Path

import pytest
from support.patches import PATCHES, SERIES

from usb_ext.cli.main import main
from usb_ext.core.outputs import claim_outputs


def test_the_command_writes_the_series_and_removes_older_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    claim_outputs(out, ["0009-older.patch"])
    (out / "0009-older.patch").write_text("")
    (out / "README.md").write_text("stays")
    shutil.copy(SERIES[1], source)
    assert main(["export-patches", "--source", str(source), "--out", str(out)]) == 0
    names = [".usb_ext.json", "0001-" + SERIES[1].name[5:], "README.md"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert capsys.readouterr().out.split() == [str(out / ("0001-" + SERIES[1].name[5:]))]


def test_somebodys_patches_are_refused_untouched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    (out / "0009-mine.patch").write_text("mine")
    shutil.copy(SERIES[1], source)
    assert main(["export-patches", "--source", str(source), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "0009-mine.patch" in said
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [("0009-mine.patch", "mine")]


def test_a_patch_that_does_not_apply_leaves_everything_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (PATCHES / SERIES[1].name).read_text().replace("-import ruamel", "-import nothing")
    bad = tmp_path / "0001-bad.patch"
    bad.write_text(text)
    assert main(["export-patches", "--source", str(tmp_path)]) == 1
    assert "git am 0001-bad.patch failed" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["0001-bad.patch"] and bad.read_text() == text
