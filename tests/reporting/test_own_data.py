"""The images of a run, found again: the very files and arrays that it was made from."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.run import SIX, run
from support.toy import run_points
from support.used import SHORT, photo_run

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.toy import load_toy
from usb_ext.reporting.own_data import Examples, OwnData
from usb_ext.settings import load_settings


def own(folder: Path) -> OwnData:
    return OwnData(load_settings(folder / "config.yaml").settings, RunFolder(folder))


def classes_of(found: Examples) -> list[str]:
    return [("<dog> & co", "cat")[int(target)] for target in found.targets]


def test_files_of_a_folder(photo: Path) -> None:
    data = own(photo)
    measured, labelled = data.measured(), data.labelled()
    root = photo.parent / "photos"
    assert sorted(map(str, measured.items)) == sorted(map(str, (root / "test").rglob("*.png")))
    assert classes_of(measured) == [Path(str(item)).parent.name for item in measured.items]
    assert len(labelled.names) == 4 and all(Path(str(i)).is_file() for i in labelled.items)
    assert classes_of(labelled) == [Path(str(item)).parent.name for item in labelled.items]
    train = sorted(p.relative_to(root).as_posix() for p in (root / "train").rglob("*.png"))
    assert [train[i] for i in json.loads((photo / "labelled.json").read_text())] == [
        *labelled.names
    ]
    few = labelled.first(3)
    assert (list(few.items), few.names) == (list(labelled.items)[:3], labelled.names[:3])


def test_images_that_are_left_out_shift_nothing(tmp_path: Path) -> None:
    """With `skip_bad_images` positions count the good images alone."""
    changed: dict[str, Any] = {"skip_bad_images": True}
    folder = photo_run(tmp_path, **changed)
    first = next((tmp_path / "photos" / "train").rglob("000.png"))
    first.write_bytes(b"no image")
    shutil.rmtree(folder)
    data = {"dataset": "imagefolder", "data_dir": str(tmp_path / "photos"), "num_classes": 2}
    run(tmp_path, **{**SHORT, **data, **changed, "num_labels": 4, "algorithm": "fixmatch"})
    found = own(folder).labelled()
    assert classes_of(found) == [Path(name).parent.name for name in found.names]
    assert first.relative_to(tmp_path / "photos").as_posix() not in found.names


def test_classes_that_a_csv_gives(tmp_path: Path) -> None:
    photo_run(tmp_path / "first")
    root = tmp_path / "photos"
    (root / "train").mkdir(parents=True)
    lines = []
    for number, path in enumerate(sorted((tmp_path / "first/photos/train").rglob("*.png"))):
        shutil.copy(path, root / "train" / f"{number}.png")
        lines += [f"{number}.png,{path.parent.name}"] * (number % 3 == 0)
    shutil.copytree(tmp_path / "first/photos/test", root / "test")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    given = {
        "dataset": "imagefolder",
        "data_dir": str(root),
        "num_classes": 2,
        "algorithm": "fixmatch",
    }
    split = {
        "label_split": "file",
        "label_file": str(tmp_path / "labels.csv"),
        "num_labels": len(lines),
    }
    run(tmp_path, **{**SHORT, **given, **split})
    found = own(tmp_path / "run").labelled()
    pairs = zip(found.names, classes_of(found), strict=True)
    assert sorted(f"{name.removeprefix('train/')},{c}" for name, c in pairs) == sorted(lines)


def test_arrays_and_points(tmp_path: Path) -> None:
    run(tmp_path / "d", **SIX)
    data, arrays = own(tmp_path / "d" / "run"), load_digits_arrays(16)
    assert np.array_equal(np.asarray(data.measured().items), arrays.test_images)
    positions = json.loads((tmp_path / "d" / "run" / "labelled.json").read_text())
    labelled = data.labelled()
    assert np.array_equal(np.stack([*labelled.items]), arrays.train_images[positions])  # type: ignore[arg-type]
    assert labelled.targets.tolist() == arrays.train_targets[positions].tolist()
    assert labelled.names[0] == f"training image {positions[0]}"
    run_points(tmp_path / "p", num_train_iter=2, epoch=1, num_eval_iter=2)
    points = own(tmp_path / "p" / "run")
    assert np.array_equal(
        np.asarray(points.measured().items), load_toy(points.settings).test_images
    )


def test_texts_have_no_images(tmp_path: Path) -> None:
    given = {"dataset": "aclImdb", "net": "bert_base_uncased", "num_classes": 2, "use_cat": False}
    data = OwnData(load_settings(None, given).settings, RunFolder(tmp_path))
    for ask in (data.measured, data.labelled):
        with pytest.raises(DataMissing, match="aclImdb has no images"):
            ask()


def test_what_is_gone_is_said(tmp_path: Path) -> None:
    folder = photo_run(tmp_path)
    (tmp_path / "photos").rename(tmp_path / "moved")
    for ask in (own(folder).measured, own(folder).labelled):
        with pytest.raises(DataMissing, match="no folder"):
            ask()
    settings = load_settings(folder / "config.yaml", {"without_test": True}).settings
    with pytest.raises(DataMissing, match="no test split"):
        OwnData(settings, RunFolder(folder)).measured()
    (tmp_path / "moved").rename(tmp_path / "photos")
    first = next((tmp_path / "photos" / "train").rglob("000.png"))
    first.rename(first.with_name("999.png"))  # other images stand at the positions of the list now
    with pytest.raises(SettingsError, match="the list of labelled images"):
        own(folder).labelled()
    (folder / "labelled.json").unlink()
    with pytest.raises(DataMissing, match=r"labelled\.json cannot be read"):
        own(folder).labelled()
