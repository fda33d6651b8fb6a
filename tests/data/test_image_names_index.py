"""Names found by a unique ending, whatever the form of their letters."""

import unicodedata

import pytest

from usb_ext.data.image_names import NameIndex, normal_name

NAMES = ["train/cat/01.jpg", "train/dog/01.jpg", "train/dog/b.jpg", "b.jpg", "unlabeled/x/y.png"]


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("train/cat/01.jpg", 0),
        ("cat/01.jpg", 0),
        ("dog\\01.jpg", 1),
        ("dog/b.jpg", 2),
        ("b.jpg", 3),  # a full name wins over the ending of another
        ("y.png", 4),
        ("x/y.png", 4),
    ],
)
def test_full_names_and_unique_endings(name, position):
    assert NameIndex(NAMES).find(name) == position


@pytest.mark.parametrize(
    ("name", "message"),
    [("01.jpg", "several images"), ("g", "no training image"), ("at/01.jpg", "no training image")],
)
def test_ambiguous_and_unknown_names(name, message):
    with pytest.raises(LookupError, match=message):
        NameIndex(NAMES).find(name)


def test_composed_and_decomposed_letters_are_one_name():
    apart = unicodedata.normalize("NFD", "train/größe/ä.png")
    assert apart != "train/größe/ä.png"
    assert NameIndex([apart]).find("größe/ä.png") == 0
    assert normal_name(apart) == "train/größe/ä.png"
