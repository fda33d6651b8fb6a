"""The digits against scikit-learn's: shapes, the fixed test split, mean and deviation."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import load_digits_arrays


@pytest.fixture(scope="module")
def digits():
    return load_digits_arrays()


def test_shapes_and_types(digits):
    assert digits.train_images.shape == (1297, 16, 16, 3)
    assert digits.test_images.shape == (500, 16, 16, 3)
    assert digits.train_images.dtype == digits.test_images.dtype == np.uint8
    assert digits.classes == tuple("0123456789")
    assert digits.train_names is None
    assert digits.hflip is False
    assert (digits.train_images == digits.train_images[..., :1]).all()


def test_test_split_is_stratified_and_fixed(digits):
    everything = np.bincount(load_digits().target)
    share = np.bincount(digits.test_targets) / everything
    assert np.abs(share - 500 / 1797).max() < 0.01
    again = load_digits_arrays()
    assert (again.test_images == digits.test_images).all()
    assert (again.train_targets == digits.train_targets).all()


def test_at_eight_pixels_both_splits_hold_each_digit_once():
    """8 px is the original size: the pixels are scikit-learn's times 255 / 16, rounded."""
    small = load_digits_arrays(8)
    raw = load_digits()
    wanted = sorted(
        (int(t), tuple(round(v * 255 / 16) for v in image.ravel()))
        for image, t in zip(raw.images, raw.target, strict=True)
    )
    images = np.concatenate([small.train_images, small.test_images])[..., 0]
    targets = np.concatenate([small.train_targets, small.test_targets])
    found = sorted(
        (int(t), tuple(image.ravel().tolist())) for image, t in zip(images, targets, strict=True)
    )
    assert found == wanted


def test_mean_and_std_normalise_the_training_images(digits):
    normal = (digits.train_images / 255.0 - digits.mean) / digits.std
    assert abs(normal.mean()) < 1e-9
    assert normal.std() == pytest.approx(1.0)


def test_size_out_of_range():
    with pytest.raises(SettingsError, match="img_size is 0"):
        load_digits_arrays(0)
