"""What `X` is, and the images that files and arrays become."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from usb_ext.core.errors import DataMissing
from usb_ext.data.arrays import IMAGENET_MEAN
from usb_ext.estimator.examples import (
    decoded,
    feature_set,
    file_names,
    image_set,
    kind_of,
    squares,
)
from usb_ext.estimator.labels import read_labels


class Column:
    """A column of a table, as pandas has them: places by `iloc`, any index."""

    ndim = 1

    def __init__(self, values: list[Any]) -> None:
        self.iloc = values

    def __len__(self) -> int:
        return len(self.iloc)


@pytest.mark.parametrize(
    ("X", "kind"),
    [
        (np.zeros((3, 2)), "features"),
        ([[0.0, 1.0], [2.0, 3.0]], "features"),
        (np.zeros(3), "features"),
        ([], "features"),
        ("a.png", "features"),
        (np.zeros((2, 8, 8, 3), np.uint8), "images"),
        (["a.png", "b.png"], "files"),
        ([Path("a.png")], "files"),
        (np.array(["a.png"]), "files"),
        (Column(["a.png"]), "files"),
        (Column([1.0]), "features"),
    ],
    ids=lambda value: str(type(value).__name__ if not isinstance(value, str) else value),
)
def test_the_kind_is_told_by_shape_and_content(X: Any, kind: str) -> None:
    assert kind_of(X) == kind


def test_home_is_expanded_in_file_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert file_names([Path("~/a.png"), "b.png"]) == ["/home/somebody/a.png", "b.png"]


def test_arrays_and_files_become_the_same_squares(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    names = [str(tmp_path / f"{number}.png") for number in range(3)]
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image).save(name)
    by_hand = [
        np.asarray(ImageOps.fit(Image.fromarray(p), (16, 16), Image.Resampling.BILINEAR))
        for p in pixels
    ]
    assert np.array_equal(squares(pixels, 16), by_hand)
    assert np.array_equal(decoded(names, 16), by_hand)
    assert squares(pixels[:, :, :20], 20) is not None
    square = np.ascontiguousarray(pixels[:, :, :20])
    assert squares(square, 20) is square
    Path(names[1]).write_bytes(b"")
    Path(names[2]).unlink()
    with pytest.raises(
        DataMissing, match=r"1.png: the file is empty \(0 bytes\) \(and 1 more files"
    ):
        decoded(names, 16)


def test_sets_have_no_test_examples() -> None:
    labels = read_labels(np.array([4, -1, 7]))
    vectors = feature_set(np.arange(6.0).reshape(3, 2), labels)
    assert vectors.made and vectors.train_images.shape == (3, 1, 2)
    images = image_set(np.zeros((3, 8, 8, 3), np.uint8), labels, "wrn_10_1", False)
    assert images.mean == IMAGENET_MEAN and images.hflip is False
    for found in (vectors, images):
        assert found.train_targets.tolist() == [0, -1, 1] and found.classes == ("4", "7")
        assert len(found.test_images) == len(found.test_targets) == 0
