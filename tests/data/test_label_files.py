"""Label files, JSON or CSV: positions and classes, and every problem named with its line."""

import numpy as np
import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.label_csv import label_file_classes
from usb_ext.data.label_files import read_label_file

NAMES = ("train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg", "train/new.jpg")
TARGETS = np.array([0, 0, 1, -1])
CLASSES = ("cat", "dog")


def read(tmp_path, text, name="labels.csv", names=NAMES):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_label_file(path, targets=TARGETS, classes=CLASSES, names=names)


def test_json_positions_keep_their_order(tmp_path):
    indices, classes = read(tmp_path, "[2, 0]", "labels.json", names=None)
    assert indices.tolist() == [2, 0]
    assert indices.dtype == np.int64
    assert classes is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[0, 9]", r"entry 2: 9 is outside 0 to 3"),
        ("[-1]", r"entry 1: -1 is outside"),
        ("[0, 2, 0]", r"entry 3: 0 already stands at entry 1"),
        ("[0, 1.5, true]", r"entry 2: 1.5 is not a whole number; entry 3: True is not"),
        ("[3]", r"entry 1: the class of image 3 is not known; use a .csv"),
        ("[0,\n 1\n 2]", r"not JSON: .*line 3"),
        ("[]", r"holds no labels"),
        ('{"a": 1}', r"holds dict; expected a list"),
    ],
)
def test_json_problems_are_named(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, text, "labels.json")


def test_csv_gives_positions_and_classes(tmp_path):
    indices, classes = read(tmp_path, "file name,class\nnew.jpg,dog\ncat/2.jpg,cat\n")
    assert indices.tolist() == [3, 1]
    assert classes.tolist() == [1, 0]
    assert indices.dtype == classes.dtype == np.int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.jpg,cat", r"line 1: no training image is called 'none.jpg'"),
        ("1.jpg,cat", r"line 1: several images are called '1.jpg'"),
        ("new.jpg,cow", r"line 1: unknown class 'cow' \(known: cat, dog\)"),
        ("cat/2.jpg,dog", r"line 1: 'cat/2.jpg' is called 'dog' but lies in the folder of 'cat'"),
        ("new.jpg,cat\n\nnew.jpg,cat", r"line 3: 'new.jpg' already stands on line 1"),
        ("new.jpg,cat\nnew.jpg,dog", r"line 2: 'new.jpg' already stands on line 1"),
        ("a,cat\nb,cow", r"line 1: .*'a'; line 2: .*'b'"),
        ("file name,class\n", r"holds no labels"),
    ],
)
def test_csv_problems_are_named(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, text)


def test_many_problems_are_counted(tmp_path):
    with pytest.raises(SettingsError, match=r"line 10: .*; and 15 more") as caught:
        read(tmp_path, "".join(f"none{i}.jpg,cat\n" for i in range(25)))
    assert "line 11" not in str(caught.value)


def test_missing_file_and_data_without_names(tmp_path):
    for name in ("x.csv", "x.json"):
        with pytest.raises(DataMissing, match=name):
            read_label_file(tmp_path / name, targets=TARGETS, classes=CLASSES, names=NAMES)
    with pytest.raises(SettingsError, match="no file names; use a .json"):
        read(tmp_path, "a.jpg,cat", names=None)


def test_classes_of_a_csv(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\na,dog\nb,cat\nc,dog\n")
    assert label_file_classes(path) == ("cat", "dog")


@pytest.mark.parametrize("nothing", ["-1", "", "-1.0", "unlabeled"])
def test_a_line_without_a_class_is_an_image_without_a_label(tmp_path, nothing, caplog):
    """scikit-learn's -1 was trained as a class, after `use --num_classes 3`."""
    caplog.set_level("INFO")
    text = f"image_id,label\nnew.jpg,dog\ncat/1.jpg,{nothing}\ncat/2.jpg,{nothing}\n"
    indices, classes = read(tmp_path, text)
    assert indices.tolist() == [3] and classes.tolist() == [1]
    assert label_file_classes(tmp_path / "labels.csv") == ("dog",)
    assert "2 of 3 lines name no class" in caplog.text
    with pytest.raises(SettingsError, match="holds no labels"):
        read(tmp_path, f"new.jpg,{nothing}\n")


def test_a_class_folder_may_be_called_minus_one(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("cat/1.jpg,-1\ndog/1.jpg,1\n")
    indices, classes = read_label_file(path, targets=TARGETS, classes=("-1", "1"), names=NAMES)
    assert indices.tolist() == [0, 2] and classes.tolist() == [0, 1]
