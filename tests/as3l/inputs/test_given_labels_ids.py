"""A CSV that a person filled in: every line is checked and named."""

from pathlib import Path

import numpy as np
import pytest

from usb_ext.as3l.inputs.given_labels import IdLabels, read_id_labels
from usb_ext.core.errors import DataMissing, SettingsError

IDS = np.array([40, 10, 30, 20])
CLASSES = ("cat", "dog")


def read(tmp_path: Path, text: str, ids: np.ndarray = IDS, classes: object = CLASSES) -> IdLabels:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return read_id_labels(path, ids, classes)  # type: ignore[arg-type]


@pytest.mark.parametrize("header", ["", "id,class\n", "ID , Label\n"])
def test_rows_and_classes_in_the_order_of_the_file(tmp_path: Path, header: str) -> None:
    found = read(tmp_path, f"{header}20, dog\n\n40,cat\n")
    assert found.rows.tolist() == [3, 0] and found.labels.tolist() == [1, 0]
    assert found.classes == CLASSES
    assert found.rows.dtype == found.labels.dtype == np.int64


def test_without_known_classes_those_of_the_file_count(tmp_path: Path) -> None:
    found = read(tmp_path, "10,zebra\n20,ant\n30,zebra\n", classes=None)
    assert found.classes == ("ant", "zebra") and found.labels.tolist() == [1, 0, 1]


def test_file_names_are_found_by_a_unique_ending(tmp_path: Path) -> None:
    ids = np.array(["a/1.jpg", "b/1.jpg", "b/2.jpg"])
    assert read(tmp_path, "2.jpg,cat\na/1.jpg,dog\n", ids).rows.tolist() == [2, 0]


LINES = [
    ("10,cat\n99,dog", "line 2: unknown id '99'"),
    ("10,cow", r"line 1: unknown class 'cow' \(known: cat, dog\)"),
    ("10,cat\n20,\n30", "line 2: id '20' has no class; line 3: id '30' has no class"),
    ("10,cat\n\n10,cat", "line 3: id '10' already stands on line 1"),
    ("10,cat,1", "line 1: .* not an id and a class"),
    (",cat", "line 1: .* not an id and a class"),
    ("10,cow\n10,cat\n99,cat", "line 1: unknown class 'cow'.*; line 3: unknown id"),
    ("id,class\n", "holds no labels"),
    ("\n".join(f"{n},cat" for n in range(100, 113)), "line 10: .*; and 3 more"),
]


@pytest.mark.parametrize(("text", "message"), LINES)
def test_each_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        read(tmp_path, text)
    assert "labels.csv" in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="none.csv"):
        read_id_labels(tmp_path / "none.csv", IDS, None)
