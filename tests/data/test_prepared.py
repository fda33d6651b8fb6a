"""Labelled, unlabelled and validation images of a run: what goes where, and every mistake named."""

import json
import logging
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.data_arguments import TARGETS, K

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.prepared import choose_split
from usb_ext.settings import load_settings


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
