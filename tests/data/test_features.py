"""`features.npz`: what is read, and what is refused with its reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.features import random_points, write_npz

from usb_ext.core.errors import DataMissing
from usb_ext.data.features import Features, read_features, write_features

POINTS = random_points(6, 3, 0, np.float32)


def test_everything_comes_back(tmp_path: Path) -> None:
    given = Features(
        POINTS,
        np.array([f"{i}.jpg" for i in range(6)]),
        np.arange(6) % 3 - 1,
        "pets",
        ("a", "b"),
        True,
    )
    write_features(tmp_path / "f.npz", given)
    found = read_features(tmp_path / "f.npz")
    for name in ("values", "ids", "targets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
    assert (found.dataset, found.class_names, found.tuned) == ("pets", ("a", "b"), True)


def test_features_alone_are_the_training_images_in_order(tmp_path: Path) -> None:
    found = read_features(write_npz(tmp_path / "f.npz", features=POINTS.astype(np.float64)))
    assert found.ids.tolist() == list(range(6)) and found.ids.dtype == np.int64
    assert found.values.dtype == np.float32
    assert (found.targets, found.dataset, found.class_names, found.tuned) == (None,) * 3 + (False,)


BAD_ROWS = POINTS.copy()
BAD_ROWS[4, 1], BAD_ROWS[5, 0] = np.nan, np.inf
CASES: list[tuple[dict[str, Any], str]] = [
    ({"x": POINTS}, "holds x, but no array `features`"),
    ({"features": POINTS[0]}, r"float32 of shape \(3,\); expected numbers N x d"),
    ({"features": POINTS[:0]}, "expected numbers N x d"),
    ({"features": POINTS.astype(str)}, "expected numbers N x d"),
    ({"features": BAD_ROWS, "ids": np.arange(6) + 10}, "2 of 6 rows hold NaN .* first is id 14"),
    ({"features": POINTS, "ids": np.arange(5)}, "expected 6 whole numbers"),
    ({"features": POINTS, "ids": np.arange(6.0)}, "expected 6 whole numbers"),
    ({"features": POINTS, "ids": np.array([0, 1, 2, 7, 4, 7])}, "7 stands there more than once"),
    ({"features": POINTS, "targets": np.zeros(3, int)}, "expected 6 classes"),
    ({"features": POINTS, "targets": np.zeros(6)}, "expected 6 classes"),
]


@pytest.mark.parametrize(("arrays", "message"), CASES, ids=[c[1][:30] for c in CASES])
def test_what_cannot_be_used_is_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataMissing, match=message) as caught:
        read_features(write_npz(tmp_path / "f.npz", **arrays))
    assert "f.npz" in str(caught.value)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"none\.npz does not exist; `usb-ext pretrain`"):
        read_features(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("name", "value"), [("tuned", np.nan), ("dataset", 3), ("class_names", "a"), ("tuned", [True])]
)
def test_a_word_of_another_kind_is_named(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "f.npz"
    np.savez(path, features=np.ones((3, 2)), **{name: np.asarray(value)})
    with pytest.raises(DataMissing, match=f"{name} in .*expected"):
        read_features(path)


def test_targets_that_no_class_name_is_there_for_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    values = random_points(4, 3, 0, np.float32)
    np.savez(
        path, features=values, targets=np.array([0, 1, 2, -1]), class_names=np.array(["a", "b"])
    )
    with pytest.raises(DataMissing, match="class_names in .* are 2, but targets go up to 2"):
        read_features(path)
