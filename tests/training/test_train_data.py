"""A run goes on only with the data that it began with."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.images import FOLDER_RUN, folder_of_images, picture
from support.run import run

from usb_ext.core.errors import SettingsError


@pytest.fixture
def began(tmp_path: Path) -> dict[str, Any]:
    """Settings of a run that was stopped half way on `tmp_path/first`."""
    folder = folder_of_images(tmp_path / "first")
    given = {**FOLDER_RUN, "data_dir": str(folder)}
    assert run(tmp_path, 4, **given) is None
    return given


def test_a_run_does_not_go_on_with_other_images(tmp_path: Path, began: dict[str, Any]) -> None:
    """Same names, same number, other pixels: it went on in silence."""
    other = folder_of_images(tmp_path / "second", seed=1)
    before = {p: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    told = r"checkpoint .*latest_model.pth is of other data: 12 images of another content \(train/a/000"
    with pytest.raises(SettingsError, match=told):
        run(tmp_path, **{**began, "data_dir": str(other)}, resume=True)
    assert {p: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


def test_a_checkpoint_of_another_folder_is_checked_too(
    tmp_path: Path, began: dict[str, Any]
) -> None:
    picture(Path(began["data_dir"]) / "train" / "a" / "new.png")
    elsewhere = {"save_name": "another", "load_path": str(tmp_path / "run" / "latest_model.pth")}
    with pytest.raises(SettingsError, match=r"1 images added \(train/a/new.png\); name the data"):
        run(tmp_path, **began, **elsewhere, resume=True)


def test_the_same_data_elsewhere_and_an_older_run_go_on(
    tmp_path: Path, began: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    moved = Path(began["data_dir"]).rename(tmp_path / "moved")
    (tmp_path / "run" / "data.json").unlink()
    found = run(tmp_path, **{**began, "data_dir": str(moved)}, resume=True)
    assert found is not None and found.status == "completed"
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "does not tell of its data (an older run): not checked" in log
    stored = json.loads((tmp_path / "run" / "data.json").read_text())
    assert stored["classes"] == ["a", "b"] and len(stored["train"]) == 12


def test_positions_out_of_another_folders_run_are_refused(
    tmp_path: Path, began: dict[str, Any]
) -> None:
    """`labelled.json` says places in the training set; of other images they mean others."""
    other = folder_of_images(tmp_path / "second", train=9)
    given = {**began, "data_dir": str(other), "label_split": "file", "save_name": "new"}
    with pytest.raises(
        SettingsError, match=r"label_file is .*labelled.json, which was made from other"
    ):
        run(tmp_path, **given, label_file=str(tmp_path / "run" / "labelled.json"))
