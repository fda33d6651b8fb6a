"""A comparison never reports runs of other data than its settings name."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.compare import Ended, Trainer, leave, planned, report_of
from support.images import folder_of_images, picture

from usb_ext.comparison.plan import Planned
from usb_ext.comparison.same_data import DataNow
from usb_ext.core.errors import SettingsError
from usb_ext.data.fingerprint import write_fingerprint

FOLDER: dict[str, Any] = {"dataset": "imagefolder", "num_classes": 2}


def trained(run: Planned) -> float:
    """A run as training leaves it: with the record of its data."""
    leave(run.settings, 0.9)
    write_fingerprint(run.folder.path, DataNow().of(run.settings))
    return 0.9


def plan(out: Path, folder: Path, **changed: Any) -> list[Planned]:
    return planned(out, "fixmatch", **{**FOLDER, "data_dir": str(folder), **changed})


def test_other_images_under_the_same_settings_are_refused(tmp_path: Path) -> None:
    first = folder_of_images(tmp_path / "first")
    report_of(plan(tmp_path / "out", first), tmp_path / "out", Trainer(trained))
    again = Trainer(trained)
    moved = shutil.copytree(first, tmp_path / "moved")
    assert report_of(plan(tmp_path / "out", moved), tmp_path / "out", again)["comparisons"]
    picture(moved / "train" / "b" / "new.png")
    told = r"other data: .*fixmatch_n40_l0_s0 \(1 images added \(train/b/new.png\)\); .*--out"
    with pytest.raises(SettingsError, match=told):
        report_of(plan(tmp_path / "out", moved), tmp_path / "out", again)
    assert again.begun == []


def test_changed_labels_are_refused(tmp_path: Path) -> None:
    folder, labels = folder_of_images(tmp_path / "first"), tmp_path / "labels.csv"
    given = {"label_split": "file", "label_file": str(labels)}
    labels.write_text("a/000.png,a\nb/000.png,b\n")
    report_of(plan(tmp_path / "out", folder, **given), tmp_path / "out", Trainer(trained))
    labels.write_text("a/001.png,a\nb/000.png,b\n")
    with pytest.raises(SettingsError, match="label_file has another content"):
        report_of(plan(tmp_path / "out", folder, **given), tmp_path / "out", Trainer(trained))


@pytest.mark.parametrize("gone", ["data", "record"])
def test_what_cannot_be_checked_is_said_once(
    tmp_path: Path, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of_images(tmp_path / "first")
    runs = plan(tmp_path / "out", folder)
    report_of(runs, tmp_path / "out", Trainer(trained))
    if gone == "data":
        shutil.rmtree(folder)
    else:
        for run in runs:
            (run.folder.path / "data.json").unlink()
    said: list[str] = []
    monkeypatch.setattr("support.compare.len", said.append, raising=False)
    report_of(runs, tmp_path / "out", Trainer(trained))
    lines = [line for line in said if "could not be checked" in line]
    assert len(lines) == 1 and lines[0].startswith("the data of 2 runs")


def test_a_failure_on_other_data_is_no_failure_on_these(tmp_path: Path) -> None:
    folder = folder_of_images(tmp_path / "first")
    failing = Trainer(lambda run: Ended(1, "loss is not finite"))
    for expected in (2, 2):
        report_of(plan(tmp_path / "out", folder), tmp_path / "out", failing)
        assert len(failing.begun) == expected
    picture(folder / "train" / "b" / "new.png")
    report_of(plan(tmp_path / "out", folder), tmp_path / "out", failing)
    assert len(failing.begun) == 4
