"""Validation images: drawn or listed, held out of both training sets, and every mistake named."""

import json
import logging
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.data_arguments import arguments

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.prepared import choose_split
from usb_ext.data.sets import prepare
from usb_ext.data.validation import validation_indices
from usb_ext.settings import load_settings

K = 5
TARGETS = np.random.default_rng(0).permutation(np.repeat(np.arange(K), [30, 25, 20, 15, 10]))
NONE = np.empty(0, np.int64)


def drawn(num_val: int, seed: int = 0, targets: np.ndarray = TARGETS, taken: Any = NONE) -> Any:
    return validation_indices(targets, num_val, seed, np.asarray(taken))


@pytest.mark.parametrize(("num_val", "counts"), [(20, [4] * 5), (60, [10, 12, 12, 13, 13])])
def test_the_draw_is_as_even_as_the_classes_allow(num_val: int, counts: list[int]) -> None:
    """Round after round one image of each class: of 60 the class of 10 gives all, the others share 50."""
    chosen = drawn(num_val)
    assert len(set(chosen.tolist())) == num_val
    assert sorted(np.bincount(TARGETS[chosen], minlength=K).tolist()) == counts


@pytest.mark.parametrize("seed", range(3))
def test_smaller_validation_sets_lie_inside_larger_ones(seed: int) -> None:
    sets = [set(drawn(n, seed).tolist()) for n in (1, 7, 23, 64, 99)]
    assert all(small < large for small, large in zip(sets, sets[1:], strict=False))
    assert drawn(23, seed).tolist() == drawn(23, seed).tolist() != drawn(23, seed + 1).tolist()


def test_unknown_and_taken_images_are_left_alone() -> None:
    targets = TARGETS.copy()
    targets[:50] = -1
    chosen = drawn(20, targets=targets, taken=[60, 61, 62])
    assert chosen.min() >= 50 and not set(chosen.tolist()) & {60, 61, 62}
    with pytest.raises(SettingsError, match="num_val is 50, but 50 training images"):
        drawn(50, targets=targets)


def run_args(**changed: Any) -> Namespace:
    given = {"num_labels": 20, "num_classes": K, "dataset": "digits", "include_lb_to_ulb": False}
    settings = load_settings(given, changed).settings
    return Namespace(**{**settings.model_dump(), "label_seed": settings.split_seed})


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("kind", ["per_class", "random"])
def test_the_three_parts_share_nothing_and_the_labelled_stay(include: bool, kind: str) -> None:
    given = {"include_lb_to_ulb": include, "label_split": kind}
    plain = choose_split(run_args(**given), TARGETS, None, ())
    split = choose_split(run_args(num_val=30, **given), TARGETS, None, ())
    held_out = set(split.validation.tolist())
    assert len(held_out) == 30
    assert not held_out & set(split.labelled.tolist())
    assert set(split.unlabelled.tolist()) == set(plain.unlabelled.tolist()) - held_out
    assert len(split.unlabelled) == len(plain.unlabelled) - 30
    np.testing.assert_array_equal(split.validation_targets, TARGETS[split.validation])
    np.testing.assert_array_equal(split.labelled, plain.labelled)


def test_labels_give_way_where_both_want_the_same_image() -> None:
    split = choose_split(run_args(num_labels=25, num_val=24), TARGETS, None, ())
    assert np.bincount(TARGETS[split.labelled]).tolist() == [5] * K
    assert not set(split.validation.tolist()) & set(split.labelled.tolist())
    with pytest.raises(SettingsError, match="num_labels asks for 6 labels of class 4"):
        choose_split(run_args(num_labels=30, num_val=25), TARGETS, None, ())


def test_unlabelled_counts_leave_the_validation_images_out() -> None:
    split = choose_split(run_args(num_val=25, ulb_num_labels=5), TARGETS, None, ())
    assert np.bincount(TARGETS[split.unlabelled]).tolist() == [1] * K
    assert not set(split.validation.tolist()) & set(split.unlabelled.tolist())


def test_nothing_left_unlabelled_is_an_error() -> None:
    args = run_args(num_labels=10, num_val=90, label_split="random")
    with pytest.raises(SettingsError, match="num_val 90 and num_labels 10 leave no unlabelled"):
        choose_split(args, TARGETS, None, ())


def listed(tmp_path: Path, positions: list[Any], name: str = "val.json") -> str:
    (tmp_path / name).write_text(json.dumps(positions))
    return str(tmp_path / name)


def test_a_list_is_taken_as_it_is_and_labels_avoid_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = choose_split(run_args(), TARGETS, None, ())
    chosen = [int(p) for p in plain.labelled[:3]]  # would have been labelled: all of class 0
    with caplog.at_level(logging.WARNING):
        split = choose_split(run_args(val_index_file=listed(tmp_path, chosen)), TARGETS, None, ())
    assert split.validation.tolist() == chosen
    assert not set(chosen) & {*split.labelled.tolist(), *split.unlabelled.tolist()}
    assert "classes without a validation image: [1, 2, 3, 4]" in caplog.text


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([3, 100], r"val.json: entry 2: 100 is outside 0 to 99"),
        ([3, 4, 3], r"val.json: entry 3: 3 already stands at entry 1"),
        ([-1], r"entry 1: -1 is outside"),
        ([], "holds no labels"),
    ],
)
def test_a_bad_list_is_named(tmp_path: Path, positions: list[int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        choose_split(run_args(val_index_file=listed(tmp_path, positions)), TARGETS, None, ())


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="none.json"):
        choose_split(run_args(val_index_file=str(tmp_path / "none.json")), TARGETS, None, ())


def test_an_image_in_both_lists_is_an_error_and_a_draw_avoids_the_labelled(tmp_path: Path) -> None:
    given = {"label_split": "file", "label_file": listed(tmp_path, [5, 6, 7], "labels.json")}
    both = run_args(**given, val_index_file=listed(tmp_path, [9, 6, 5]))
    with pytest.raises(SettingsError, match=r"share 2 images \(positions 5, 6\)"):
        choose_split(both, TARGETS, None, ())
    for seed in range(5):
        split = choose_split(run_args(**given, num_val=90, label_seed=seed), TARGETS, None, ())
        assert not set(split.validation.tolist()) & {5, 6, 7}


def test_digits_serve_the_validation_images_without_augmentation() -> None:
    data = prepare(arguments(img_size=16, num_val=30))
    validation = data.datasets["val"]
    assert len(validation) == 30 and len(data.datasets["train_ulb"]) == 1267
    assert validation.transform is data.datasets["eval"].transform
    assert np.bincount(validation.targets).tolist() == [3] * 10
    assert data.summary["num_labels"] == 10 and len(data.validation) == 30
    assert prepare(arguments(img_size=16)).datasets["val"] is None


def test_fullysupervised_does_not_train_on_them() -> None:
    data = prepare(arguments(img_size=16, num_val=30, algorithm="fullysupervised"))
    assert len(data.datasets["train_lb"]) == 1267


def test_usbs_set_holds_them_out_too(cifar: Path) -> None:
    folder = str(cifar / "data")
    args = arguments(dataset="cifar10", data_dir=folder, num_labels=20, num_val=40, img_size=32)
    data = prepare(args)
    validation, unlabelled = data.datasets["val"], data.datasets["train_ulb"]
    assert len(validation) == 40 and len(unlabelled) == 160
    assert validation.transform is data.datasets["eval"].transform
    targets = np.tile(np.arange(40) % 10, 5)
    np.testing.assert_array_equal(validation.targets, targets[data.validation])
    rows = {image.tobytes() for image in validation.data}
    assert len(rows) == 40
    for part in (unlabelled, data.datasets["train_lb"]):
        assert not rows & {image.tobytes() for image in part.data}
    with pytest.raises(SettingsError, match="fullysupervised trains on every image"):
        prepare(Namespace(**{**vars(args), "algorithm": "fullysupervised"}))
