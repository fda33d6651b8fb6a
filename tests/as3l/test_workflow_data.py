"""No stage of AS3L uses what was made from other images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.images import FOLDER_RUN, folder_of_images, picture
from support.run import TINY as TINY_RUN
from support.ssl import TINY as TINY_SSL

from usb_ext.cli.main import main

WHOLE: dict[str, Any] = {
    **TINY_RUN, **TINY_SSL, **FOLDER_RUN, "algorithm": "as3l", "label_split": "file",
    "label_file": "auto", "prior_file": "auto", "prior_until": 2, "num_train_iter": 4,
    "num_eval_iter": 4, "ssl_epochs": 1, "ssl_batch_size": 4, "as3l_tune_epochs": 1, "as3l_runs": 2,
}  # fmt: skip

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """A command on `WHOLE` with changes: exit code and standard error."""

    def run(command: str, **changed: Any) -> tuple[int, str]:
        given = {**WHOLE, "save_dir": str(tmp_path / "runs"), **changed}
        code = main([command, *(w for k, v in given.items() for w in (f"--{k}", str(v)))])
        return code, capsys.readouterr().err

    return run


def test_each_stage_refuses_what_was_made_from_other_images(call: Call, tmp_path: Path) -> None:
    """The same names, sizes and number of images: all of it was used, and trained on, with exit 0."""
    first = folder_of_images(tmp_path / "first")
    second = folder_of_images(tmp_path / "second", seed=1)
    code, err = call("as3l", data_dir=first)
    assert code == 0, err
    code, err = call("as3l", data_dir=second)
    assert code == 2 and "the pre-training" in err and "of another content (train/a/000.png" in err
    features = next((tmp_path / "runs").glob("*/features.npz"))
    alone = features.rename(tmp_path / "features.npz")  # nothing beside it tells of its images
    code, err = call("as3l", data_dir=second, features=alone)
    assert code == 2 and "selected.json is of other data: 12 images of another content" in err
    made = next((tmp_path / "runs").glob("labels_*"))
    given = {
        "label_file": made / "selected.json",
        "prior_file": made / "prior.npz",
        "save_name": "t",
    }
    code, err = call("train", data_dir=second, **given)
    assert code == 2 and "label_file is" in err and "made from other images" in err
    assert not (tmp_path / "runs" / "t").exists()


def test_features_beside_their_record_are_checked_by_select_and_propagate(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of_images(tmp_path / "first")
    code, err = call("pretrain", data_dir=folder)
    assert code == 0, err
    features = next((tmp_path / "runs").glob("*/features.npz"))
    data = ["--dataset", "imagefolder", "--data_dir", str(folder), "--num_classes", "2"]
    words = ["--features", str(features), "--out", str(tmp_path / "out"), *data]
    assert main(["select", "--budget", "2", *words]) == 0
    picture(folder / "train" / "a" / "new.png")
    assert main(["select", "--budget", "2", *words]) == 2
    assert main(["propagate", "--selected", str(tmp_path / "out" / "selected.json"), *words]) == 2
    assert capsys.readouterr().err.count("1 images added (train/a/new.png); make it again") == 2
    code, err = call("pretrain", data_dir=folder)
    assert code == 2 and "another --ssl_name or --overwrite" in err


def test_an_older_pre_training_is_used_and_it_is_said(call: Call, tmp_path: Path) -> None:
    folder = folder_of_images(tmp_path / "first")
    assert call("pretrain", data_dir=folder)[0] == 0
    next((tmp_path / "runs").glob("*/data.json")).unlink()
    code, err = call("pretrain", data_dir=folder)
    assert code == 0 and "does not tell of its images (an older version): not checked" in err


def test_a_finished_run_is_not_told_of_other_test_images(call: Call, tmp_path: Path) -> None:
    folder = folder_of_images(tmp_path / "first")
    assert call("as3l", data_dir=folder)[0] == 0
    picture(folder / "test" / "a" / "new.png")
    code, err = call("as3l", data_dir=folder)
    assert code == 2 and "result.json is of other data: 1 test images added" in err


def test_a_cameras_folders_are_refused_before_the_pre_training(call: Call, tmp_path: Path) -> None:
    for number, name in enumerate(("phone/2024-01", "camera/2024-02")):
        for i in range(6):
            picture(tmp_path / "set" / "train" / name / f"{i}.png", seed=10 * number + i)
    given = {"data_dir": tmp_path / "set", "without_test": True}
    code, err = call("as3l", **given)
    assert code == 2 and "would be the classes: camera (6 images), phone (6 images)" in err
    code, err = call("as3l", **given, num_classes=3)
    assert code == 2 and "num_classes is 3, but" in err and "camera (6 images), phone" in err
    assert not (tmp_path / "runs").exists()
    code, err = call("as3l", **given, yes=True)
    assert code == 0, err


@pytest.mark.parametrize("place", ["", "unlabeled"])
def test_a_plain_folder_and_one_of_unlabelled_images_alone_are_read_at_any_depth(
    call: Call, tmp_path: Path, place: str
) -> None:
    folder = tmp_path / "set"
    for i in range(12):
        picture(folder / place / "phone" / f"2024-{i % 3}" / f"{i}.png", seed=i)
    code, err = call("as3l", data_dir=folder, without_test=True)
    to_label = next((tmp_path / "runs").glob("labels_*/to_label.csv"))
    assert code == 3 and f"fill in {to_label}" in err
    ids = [line.removesuffix(",") for line in to_label.read_text().splitlines()[1:]]
    assert len(ids) == 4 and all((folder / name).is_file() for name in ids)
    classes = ["cat", "dog", "cat", "dog"]
    rows = [f"{name};{c}" for name, c in zip(ids, classes, strict=True)]
    to_label.write_text("\n".join(["id;class", *rows]) + "\n", encoding="utf-8-sig")
    code, err = call("as3l", data_dir=folder, without_test=True, as3l_labels=to_label)
    assert code == 0, err
