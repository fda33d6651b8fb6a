"""The series made from its sources; that it is the committed one is shown in test_patches.py."""

import shutil
from pathlib import Path

import pytest
from support.patches import PATCHES

from usb_ext.cli.main import main
from usb_ext.core.outputs import claim_outputs

YAML = "B2-safe-yaml"
MADE = "0001-Read-settings-with-the-safe-YAML-loader.patch"


def sources(folder: Path) -> Path:
    """A folder with one change's source."""
    shutil.copytree(PATCHES / "source" / YAML, folder / "source" / YAML)
    return folder


def test_the_command_writes_the_series_and_removes_older_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = sources(tmp_path / "patches"), tmp_path / "out"
    out.mkdir()
    claim_outputs(out, ["0009-older.patch"])
    (out / "0009-older.patch").write_text("")
    (out / "README.md").write_text("stays")
    assert main(["export-patches", "--source", str(source), "--out", str(out)]) == 0
    names = [".usb_ext.json", MADE, "README.md", "blobs.txt"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert capsys.readouterr().out.split() == [str(out / MADE)]
    assert (out / "blobs.txt").read_text().endswith(" semilearn/core/utils/misc.py\n")


def test_without_a_place_the_series_lies_beside_its_sources(tmp_path: Path) -> None:
    source = sources(tmp_path / "patches")
    assert main(["export-patches", "--source", str(source)]) == 0
    assert sorted(p.name for p in (source / "0.3.2").iterdir()) == [MADE, "blobs.txt"]


def test_somebodys_patches_are_refused_untouched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = sources(tmp_path / "patches"), tmp_path / "out"
    out.mkdir()
    (out / "0009-mine.patch").write_text("mine")
    assert main(["export-patches", "--source", str(source), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "0009-mine.patch" in said
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [("0009-mine.patch", "mine")]


def test_a_diff_that_does_not_apply_leaves_everything_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = sources(tmp_path / "patches")
    diff = source / "source" / YAML / "both.patch"
    diff.write_text(diff.read_text().replace("-import ruamel", "-import nothing"))
    assert main(["export-patches", "--source", str(source)]) == 1
    assert "git apply both.patch failed" in capsys.readouterr().err
    assert [p.name for p in source.iterdir()] == ["source"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--base", "0.3.1"], "no base '0.3.1'"),
        (["--base", "main"], "--usb"),
        (["--base", "main", "--usb", "."], "no clone of USB's repository with the commit 1ef4cbe"),
    ],
)
def test_a_base_that_cannot_be_had_is_one_line(
    words: list[str],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("USB_CLONE", raising=False)
    monkeypatch.chdir(tmp_path)
    source = sources(tmp_path / "patches")
    assert main(["export-patches", "--source", str(source), *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and expected in said
