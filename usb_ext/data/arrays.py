"""What a data set hands over: images, classes and how to normalise them.

scikit-learn's handwritten digits: 1,797 real images that need no download.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from usb_ext.core.errors import SettingsError
from usb_ext.data.streamed import StreamedImages

Images = NDArray[np.uint8] | StreamedImages
Channels = tuple[float, float, float]
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class ImageArrays:
    """A data set of N training and M test images of K classes.

    Args:
        train_images: uint8, shape (N, H, W, 3); one array, or an object that decodes on access.
        train_targets: class of each, int64, shape (N,), 0 to K - 1, or -1 where it is not known.
        test_images: uint8, shape (M, H, W, 3).
        test_targets: int64, shape (M,), 0 to K - 1.
        classes: the K class names, in the order of the class numbers.
        mean: of each channel, of pixels scaled to [0, 1].
        std: of each channel, in the same unit, > 0.
        hflip: whether an image flipped left to right keeps its class.
        train_names: N file names, or None where the images come from no files.
        skipped: files left out because they could not be decoded, each with the reason.

    Raises:
        ValueError: lengths or classes that contradict each other.
    """

    train_images: Images
    train_targets: NDArray[np.int64]
    test_images: Images
    test_targets: NDArray[np.int64]
    classes: tuple[str, ...]
    mean: Channels
    std: Channels
    hflip: bool
    train_names: tuple[str, ...] | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("train", self.train_images, self.train_targets, -1, len(self.classes))
        _check("test", self.test_images, self.test_targets, 0, len(self.classes))
        if self.train_names is not None and len(self.train_names) != len(self.train_images):
            raise ValueError(f"{len(self.train_names)} names, {len(self.train_images)} images")


def _check(
    split: str, images: Images, targets: NDArray[np.int64], lowest: int, num_classes: int
) -> None:
    """Raise unless images and targets of a split fit each other and the classes."""
    if len(images.shape) != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(
            f"{split} images are {images.dtype} {images.shape}, not uint8 (N, H, W, 3)"
        )
    if targets.dtype != np.int64 or targets.shape != (len(images),):
        raise ValueError(f"{split} targets: {targets.dtype} {targets.shape}, {len(images)} images")
    if len(targets) and not lowest <= targets.min() <= targets.max() < num_classes:
        raise ValueError(f"{split} targets must lie in {lowest} to {num_classes - 1}")


TEST_IMAGES = 500
DIGITS_SIZE = 8
"""Pixels a side of the digits as scikit-learn has them."""
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
    grey = np.rint(raw.reshape(-1, DIGITS_SIZE, DIGITS_SIZE) * (255 / _BRIGHTEST)).astype(np.uint8)
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
