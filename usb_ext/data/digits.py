"""scikit-learn's handwritten digits: 1,797 real images that need no download."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import Channels, ImageArrays

TEST_IMAGES = 500
_BRIGHTEST = 16.0  # the digits' pixels are whole numbers from 0 to 16


def load_digits_arrays(size: int = 16) -> ImageArrays:
    """The digits as RGB images: 1,297 for training, 500 for the test.

    ours: the test split is stratified by class and the same for every seed; images are enlarged
    from 8 x 8 with Pillow's bilinear filter; the three channels are equal; a mirrored digit is
    another sign, so `hflip` is False. Mean and standard deviation are those of the training images.

    Args:
        size: side of the images in pixels, >= 1.

    Raises:
        SettingsError: a size below 1.
    """
    if size < 1:
        raise SettingsError(f"img_size is {size}; it must be at least 1 pixel")
    raw, targets = load_digits(return_X_y=True)
    grey = np.rint(raw.reshape(-1, 8, 8) * (255 / _BRIGHTEST)).astype(np.uint8)
    images = np.stack([_enlarge(image, size) for image in grey])
    train, test = train_test_split(
        np.arange(len(images)), test_size=TEST_IMAGES, stratify=targets, random_state=0
    )
    classes = targets.astype(np.int64)
    mean, std = _channel_statistics(images[train])
    return ImageArrays(
        train_images=images[train],
        train_targets=classes[train],
        test_images=images[test],
        test_targets=classes[test],
        classes=tuple(str(digit) for digit in range(10)),
        mean=mean,
        std=std,
        hflip=False,
    )


def _enlarge(grey: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """One image, shape (8, 8), to shape (size, size, 3)."""
    resized = Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR)
    return np.repeat(np.asarray(resized)[:, :, None], 3, axis=2)


def _channel_statistics(images: NDArray[np.uint8]) -> tuple[Channels, Channels]:
    """Mean and standard deviation of the first channel of (N, H, W, 3), for all three alike."""
    grey = images[..., 0] / 255.0
    mean, std = float(grey.mean()), float(grey.std())
    return (mean, mean, mean), (std, std, std)
