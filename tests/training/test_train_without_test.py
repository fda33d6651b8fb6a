"""A folder of images without classes and without a test split, from features to a trained model."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.run import assert_same_state, checkpoint_of, metrics_of, run
from support.ssl import TINY as TINY_SSL

from usb_ext.cli.main import main
from usb_ext.data.features import read_features

GIVEN: dict[str, Any] = {
    **TINY_SSL, "dataset": "imagefolder", "num_classes": 2, "img_size": 8, "net": "wrn_10_1",
    "device": "cpu", "num_labels": 4, "ssl_epochs": 1, "ssl_batch_size": 8,
    "as3l_tune_epochs": 1, "as3l_runs": 2,
    "algorithm": "as3l", "label_split": "file", "label_file": "auto", "prior_file": "auto",
    "use_pretrain": True, "pretrain_path": "auto", "prior_until": 2, "epoch": 1,
    "num_train_iter": 4, "num_eval_iter": 2, "batch_size": 2, "uratio": 2, "augment": "batched",
    "without_test": True, "progress": "off", "num_workers": 0, "save_name": "run",
}  # fmt: skip


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """A command on 24 images, half of them dark, in the test's folder: exit code, output, errors."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos" / "train").mkdir(parents=True)
    for number in range(24):
        pixels = rng.integers(0, 40, (8, 8, 3)) + 200 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"photos/train/{number:02d}.png")

    def of(command: str, **changed: Any) -> tuple[int, str, str]:
        given = {**GIVEN, "data_dir": tmp_path / "photos", "save_dir": tmp_path, **changed}
        words = [w for k, v in given.items() for w in (f"--{k}", str(v))]
        code = main([command, *words])
        out, err = capsys.readouterr()
        return code, out, err

    return of


def filled(path: Path) -> list[tuple[str, str]]:
    """A person's classes for the images of a `to_label.csv`, written into it."""
    with path.open() as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    rows = [(i, "bright" if int(Path(i).stem) % 2 else "dark") for i in ids]
    path.write_text("id,class\n" + "".join(f"{i},{c}\n" for i, c in rows))
    return rows


def test_from_images_to_a_model(call: Any, tmp_path: Path) -> None:
    code, _, err = call("as3l")
    to_label = tmp_path / "labels_imagefolder_as3l_4_s0" / "to_label.csv"
    assert code == 3 and f"--as3l_labels {to_label}" in err and len(err.strip().splitlines()) == 1
    features = read_features(tmp_path / "ssl" / "features.npz")
    assert features.ids.tolist() == [f"train/{n:02d}.png" for n in range(24)]
    assert features.targets is None and features.class_names is None
    chosen = filled(to_label)
    code, _, err = call("as3l", as3l_labels=to_label)
    assert code == 0, err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["top1_last"] is None and result["status"] == "completed"
    assert result["iterations"] == 4 and "no test split" in result["best_chosen_on"]
    labelled = json.loads((tmp_path / "run" / "labelled.json").read_text())
    assert sorted(labelled) == sorted(int(Path(i).stem) for i, _ in chosen)
    assert result["labelled"]["class_coverage"] == len({c for _, c in chosen})
    code, out, _ = call("as3l", as3l_labels=to_label)
    assert code == 0 and "trained before: top1_last none" in out


def test_a_stopped_run_goes_on_bit_by_bit(call: Any, tmp_path: Path) -> None:
    """Checkpoints come every `num_eval_iter` steps, whether something is evaluated or not."""
    labels = tmp_path / "labels.csv"
    labels.write_text("id,class\n" + "".join(f"train/{n:02d}.png,{n % 2}\n" for n in range(4)))
    own: dict[str, Any] = {
        "algorithm": "flexmatch", "dataset": "imagefolder", "data_dir": str(tmp_path / "photos"),
        "num_classes": 2, "num_labels": 4, "label_split": "file", "label_file": str(labels),
        "img_size": 8, "without_test": True, "epoch": 1, "num_train_iter": 4, "num_eval_iter": 2,
    }  # fmt: skip
    assert run(tmp_path / "whole", **own) is not None
    assert run(tmp_path / "again", stop_after=2, **own) is None
    assert run(tmp_path / "again", resume=True, **own) is not None
    states = [checkpoint_of(tmp_path / name) for name in ("whole", "again")]
    for part in ("model", "ema_model", "optimizer"):
        assert_same_state(*(state[part] for state in states))


def test_images_held_out_are_scored_where_there_is_no_test_split(call: Any, tmp_path: Path) -> None:
    """`call` has made the images, half of them bright; here they lie in a folder a class."""
    for number in range(24):
        place = tmp_path / "classes" / "train" / ("bright" if number % 2 else "dark")
        place.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"photos/train/{number:02d}.png").rename(place / f"{number:02d}.png")
    result = run(
        tmp_path / "run", algorithm="fixmatch", dataset="imagefolder", num_classes=2, num_labels=4,
        data_dir=str(tmp_path / "classes"), img_size=8, without_test=True, num_val=6, epoch=1,
        num_train_iter=4, num_eval_iter=2, num_log_iter=4,
    )  # fmt: skip
    assert result is not None
    scored = {row["it"]: row["validation/top-1-acc"] for row in metrics_of(tmp_path / "run")}
    assert list(scored) == [2, 4] and scored[4] == result.val_top1_last is not None
    assert (result.top1_last, result.top1_best) == (None, None)


def test_without_the_word_a_missing_test_split_is_a_mistake(call: Any) -> None:
    given = {
        "algorithm": "flexmatch",
        "prior_file": "None",
        "pretrain_path": "None",
        "use_pretrain": False,
    }
    code, _, err = call("train", without_test=False, label_file="x.csv", **given)
    assert code == 3 and ("x.csv" in err or "--without_test true" in err)


def test_a_person_may_meet_fewer_classes_than_were_expected(call: Any, tmp_path: Path) -> None:
    """Pre-training with 3 classes in mind is kept where the labels show 2."""
    assert call("as3l", num_classes=3)[0] == 3
    to_label = tmp_path / "labels_imagefolder_as3l_4_s0" / "to_label.csv"
    before = (tmp_path / "ssl" / "backbone.pth").read_bytes()
    covered = len({name for _, name in filled(to_label)})
    code, out, err = call("as3l", num_classes=covered, as3l_labels=to_label)
    assert covered == 2 and code == 0, err
    assert "(made before)" in out
    assert (tmp_path / "ssl" / "backbone.pth").read_bytes() == before
