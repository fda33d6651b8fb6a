"""`prior.npz`: which row belongs to which image of a run, and files of other data sets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.features import write_npz

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.image_names import ImageIds
from usb_ext.data.prior_file import Prior, prior_of, read_prior, write_prior

VALUES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0, 0]], dtype=np.float32)
CLASSES = ("ant", "bee", "cow")
NAMES = ("p.jpg", "q.jpg", "r.jpg", "s.jpg", "t.jpg")


def written(tmp_path: Path, **changed: Any) -> Path:
    given = {"values": VALUES, "ids": np.array([4, 3, 2, 1, 0]), "classes": CLASSES, **changed}
    write_prior(tmp_path / "prior.npz", Prior(**given))
    return tmp_path / "prior.npz"


def rows_of(path: Path, wanted: list[int], **changed: Any) -> np.ndarray:
    given: dict[str, Any] = {
        "images": ImageIds(5, NAMES), "num_classes": 3, "classes": CLASSES, "dataset": "pets",
        **changed,
    }  # fmt: skip
    return prior_of(path, wanted=np.array(wanted), **given)


def test_rows_follow_the_ids_not_the_order_of_the_file(tmp_path: Path) -> None:
    found = rows_of(written(tmp_path), [0, 4, 1])
    np.testing.assert_array_equal(found, VALUES[[4, 0, 3]])
    by_name = written(tmp_path, ids=np.array(NAMES[::-1]))
    np.testing.assert_array_equal(rows_of(by_name, [0, 4, 1]), VALUES[[4, 0, 3]])


def test_columns_follow_the_names_of_the_classes(tmp_path: Path) -> None:
    found = rows_of(written(tmp_path), [4, 3], classes=("cow", "ant", "bee"))
    np.testing.assert_array_equal(found, VALUES[:2][:, [2, 0, 1]])
    np.testing.assert_array_equal(rows_of(written(tmp_path), [4], classes=None), VALUES[:1])


CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"dataset": "cars"}, {}, "is of dataset cars, but the run's is pets"),
    ({}, {"num_classes": 4}, "has 3 classes, but num_classes is 4"),
    ({}, {"classes": ("ant", "bee", "elk")}, "different classes, such as 'cow'"),
    ({"ids": np.array([4, 3, 2, 1, 7])}, {}, "id 7 is none of this data set"),
    ({"ids": np.arange(5)}, {"images": ImageIds(3)}, "id 3 is none of this data set"),
    ({"values": VALUES[:3], "ids": np.array([4, 3, 2])}, {}, "lacks 2 of the 3 .* first is 0"),
]


@pytest.mark.parametrize(("file", "run", "message"), CASES, ids=[c[2][:25] for c in CASES])
def test_files_of_another_data_set(
    tmp_path: Path, file: dict[str, Any], run: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        rows_of(written(tmp_path, **file), [0, 1, 2], **run)
    assert "prior.npz" in str(caught.value)


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"prior": VALUES, "ids": np.arange(5)}, "lacks classes"),
    ({"prior": VALUES.T, "ids": np.arange(5), "classes": CLASSES}, r"\(3, 5\) for 5 ids and 3"),
    ({"prior": 2 * VALUES, "ids": np.arange(5), "classes": CLASSES}, "shares of at most 1"),
    ({"prior": VALUES - 1, "ids": np.arange(5), "classes": CLASSES}, "shares of at most 1"),
    ({"prior": VALUES * np.nan, "ids": np.arange(5), "classes": CLASSES}, "shares of at most 1"),
]


@pytest.mark.parametrize(("arrays", "message"), BROKEN, ids=[c[1][:25] for c in BROKEN])
def test_files_that_are_no_priors(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataMissing, match=message):
        read_prior(write_npz(tmp_path / "prior.npz", **arrays))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"none\.npz does not exist; `usb-ext propagate`"):
        read_prior(tmp_path / "none.npz")
