"""A run goes on only with the data that it began with."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.images import FOLDER_RUN, folder_of_images, picture
from support.run import run

from usb_ext.core.errors import DataMissing, SettingsError


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


def test_what_is_passed_over_is_in_the_record(tmp_path: Path) -> None:
    """60 % of a training folder could be dropped with `skipped_images: 0` and no word."""
    folder = folder_of_images(tmp_path / "set")
    for name in ("0", "1", "2"):
        (folder / "train" / "a" / f"{name}.heic").touch()
    (folder / "train" / "b" / "bad.png").write_bytes(b"no image")
    shutil.copy(folder / "train" / "b" / "000.png", folder / "train" / "b" / "copy.png")
    given = {**FOLDER_RUN, "data_dir": str(folder)}
    with pytest.raises(DataMissing, match=r"bad.png.*; all are listed in .*run/bad_files.txt"):
        run(tmp_path, **given)
    listed = tmp_path / "run" / "bad_files.txt"
    assert listed.read_text() == "train/b/bad.png: not an image that Pillow can read\n"
    listed.unlink()
    found = run(tmp_path, **given, skip_bad_images=True)
    assert found is not None and listed.read_text().startswith("train/b/bad.png: not an image")
    assert (found.skipped_images, found.ignored_files, found.duplicate_images) == (
        1,
        {".heic": 3},
        1,
    )
    assert found.data_sha256 is not None and len(found.data_sha256) == 64
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "3 .heic" in log and "0 a (6), 1 b (8)" in log


def test_a_name_that_is_no_utf8_is_trained_on(tmp_path: Path) -> None:
    folder = folder_of_images(tmp_path / "set")
    for name in (b"caf\xe9.png", b"bad\xff.png"):
        os.rename(
            folder / "train" / "a" / "000.png", os.path.join(os.fsencode(folder), b"train/a", name)
        )
        picture(folder / "train" / "a" / "000.png")
    (folder / "train" / "a" / os.fsdecode(b"bad\xff.png")).write_bytes(b"no image")
    found = run(tmp_path, **FOLDER_RUN, data_dir=str(folder), skip_bad_images=True)
    assert found is not None and found.unlabelled["num_unlabelled"] == 13
    assert (tmp_path / "run" / "bad_files.txt").read_text().startswith("train/a/bad\\xff.png: ")
    again = run(tmp_path, **FOLDER_RUN, data_dir=str(folder), skip_bad_images=True, resume=True)
    assert again is not None
    (folder / "train" / "a" / os.fsdecode(b"caf\xe9.png")).unlink()
    with pytest.raises(SettingsError, match=r"removed \(train/a/caf\\xe9.png\)"):
        run(tmp_path, **FOLDER_RUN, data_dir=str(folder), skip_bad_images=True, resume=True)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "CMYK", "1", "I;16", "YCbCr"])
def test_pictures_of_other_channels_are_trained_on(tmp_path: Path, mode: str) -> None:
    folder = folder_of_images(tmp_path / "set", train=2, test=1)
    kind = {"CMYK": "jpg", "YCbCr": "jpg"}.get(mode, "png")
    for path in folder.rglob("*.png"):
        image = Image.open(path).convert(mode)
        path.unlink()
        image.save(path.with_suffix(f".{kind}"))
    found = run(tmp_path, **FOLDER_RUN, data_dir=str(folder), num_train_iter=2)
    assert found is not None and found.skipped_images == 0
