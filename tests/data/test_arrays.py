"""Images in memory: what they hold, and arrays that contradict each other."""

import dataclasses

import numpy as np
import pytest

from usb_ext.data.arrays import ImageArrays
from usb_ext.data.streamed import StreamedImages

GOOD = {
    "train_images": np.zeros((3, 4, 4, 3), np.uint8),
    "train_targets": np.array([0, 1, -1]),
    "test_images": np.zeros((2, 4, 4, 3), np.uint8),
    "test_targets": np.array([0, 1]),
    "classes": ("a", "b"),
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "hflip": True,
}


def test_holds_what_it_is_given_and_does_not_change():
    arrays = ImageArrays(**GOOD)
    assert arrays.train_names is None
    assert arrays.skipped == {}
    with pytest.raises(dataclasses.FrozenInstanceError):
        arrays.hflip = False


def test_streamed_images_are_images_too():
    arrays = ImageArrays(**GOOD | {"train_images": StreamedImages(("x", "y", "z"), 4)})
    assert len(arrays.train_images) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.zeros((3, 4, 4), np.uint8)}, "train images are uint8"),
        ({"test_images": np.zeros((2, 4, 4, 3))}, "test images are float64"),
        ({"train_targets": np.array([0, 1])}, r"train targets: int64 \(2,\), 3 images"),
        ({"test_targets": np.array([0.0, 1.0])}, "test targets: float64"),
        ({"train_targets": np.array([0, 2, 1])}, "train targets must lie in -1 to 1"),
        ({"test_targets": np.array([0, -1])}, "test targets must lie in 0 to 1"),
        ({"train_names": ("x",)}, "1 names, 3 images"),
    ],
)
def test_contradictions_are_errors(change, message):
    with pytest.raises(ValueError, match=message):
        ImageArrays(**GOOD | change)
