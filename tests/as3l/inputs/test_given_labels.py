"""Where propagation's labels come from, and how they are checked against features and selection."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usb_ext.as3l.inputs.feature_images import FeatureImages
from usb_ext.as3l.inputs.given_labels import GivenLabels, given_labels
from usb_ext.core.errors import SettingsError
from usb_ext.data.features import Features

FEATURES = Features(np.zeros((4, 2), np.float32), np.array([40, 10, 30, 20]), dataset="pets")
TARGETS = np.array([0, 1, -1, 1])
NAMED = FeatureImages(TARGETS, ("cat", "dog"), "pets")


def labels_of(
    tmp_path: Path, images: FeatureImages, csv: str | None, selection: Any
) -> GivenLabels:
    files = [tmp_path / "l.csv", tmp_path / "s.json"]
    if csv is not None:
        files[0].write_text(csv)
    if selection is not None:
        files[1].write_text(json.dumps(selection))
    return given_labels(
        FEATURES, images, None if csv is None else files[0], None if selection is None else files[1]
    )


def test_a_selection_takes_the_classes_of_the_data_set(tmp_path: Path) -> None:
    found = labels_of(tmp_path, NAMED, None, {"ids": [20, 40], "dataset": "pets"})
    assert found.rows.tolist() == [3, 0] and found.labels.tolist() == [1, 0]
    assert found.classes == ("cat", "dog") and found.truth is TARGETS


def test_classes_without_names_are_called_by_their_numbers(tmp_path: Path) -> None:
    found = labels_of(tmp_path, FeatureImages(TARGETS, None, None), None, [10])
    assert found.classes == ("0", "1") and found.labels.tolist() == [1]


def test_a_csv_stands_alone_or_covers_the_selection(tmp_path: Path) -> None:
    alone = labels_of(tmp_path, NAMED, "30,dog\n10,cat\n", None)
    assert alone.rows.tolist() == [2, 1] and alone.labels.tolist() == [1, 0]
    both = labels_of(tmp_path, NAMED, "30,dog\n10,cat\n", [30])
    assert both.rows.tolist() == [2, 1] and both.truth is TARGETS


def test_classes_of_a_csv_are_not_compared_with_numbers_of_unknown_meaning(tmp_path: Path) -> None:
    found = labels_of(tmp_path, FeatureImages(TARGETS, None, None), "30,b\n10,a\n", None)
    assert found.classes == ("a", "b") and found.truth is None


UNKNOWN = FeatureImages(None, None, None)
CASES: list[tuple[FeatureImages, str | None, Any, str]] = [
    (NAMED, None, None, "need --selected"),
    (UNKNOWN, None, [10], "not known: give --labels"),
    (NAMED, None, [10, 30], "1 selected images have no class in the data set, the first is 30"),
    (NAMED, None, [10, 99, 98], r"names 2 images that the features file lacks \(99, 98\)"),
    (NAMED, None, {"ids": [10], "dataset": "cars"}, "is of dataset cars, but the features"),
    (NAMED, "10,cat", [10, 20, 30], r"lacks 2 of the 3 selected images \((20, 30|30, 20)\)"),
]


@pytest.mark.parametrize(("images", "csv", "selection", "message"), CASES, ids=range(len(CASES)))
def test_labels_that_cannot_be_used(
    tmp_path: Path, images: FeatureImages, csv: str | None, selection: Any, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        labels_of(tmp_path, images, csv, selection)
