"""What is handed over as `X`: features, images or files of images; and the data set of a run made of it."""

import os
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from usb_ext.core.errors import DataMissing
from usb_ext.data.arrays import IMAGENET_MEAN, IMAGENET_STD, ImageArrays
from usb_ext.data.decode import decode_all, prepare_image
from usb_ext.data.feature_views import FeatureArrays, KeptViews
from usb_ext.estimator.labels import Labels
from usb_ext.inference.inputs import is_file_name
from usb_ext.settings.networks import made_for

Kind: TypeAlias = Literal["features", "images", "files"]


def kind_of(X: Any) -> Kind:
    """What examples are.

    Args:
        X: images as one uint8 array (N, H, W, 3), a sequence of file names, or anything else, which
            scikit-learn's checks of features judge.

    Raises:
        ValueError: an array of four axes that is no images.
    """
    if getattr(X, "ndim", None) == 4:
        if X.dtype != np.uint8 or X.shape[3] != 3:
            raise ValueError(
                f"X of four axes must be images, uint8 (N, H, W, 3), got {X.dtype} of shape {X.shape}"
            )
        return "images"
    if getattr(X, "ndim", 1) == 1 and hasattr(X, "__len__") and len(X):
        first = X.iloc[0] if hasattr(X, "iloc") else X[0] if _is_indexed(X) else None
        if is_file_name(first):
            return "files"
    return "features"


def _is_indexed(X: Any) -> bool:
    return isinstance(X, Sequence | np.ndarray) and not isinstance(X, str | bytes)


def file_names(X: Any) -> list[str]:
    """The file names in `X`.

    Args:
        X: a sequence of paths.

    Raises:
        ValueError: something among them that is no path.
    """
    names = list(X)
    for number, name in enumerate(names):
        if not is_file_name(name):
            raise ValueError(f"X holds file names, but number {number} is a {type(name).__name__}")
    return [os.path.expanduser(os.fspath(name)) for name in names]


def decoded(names: Sequence[str], size: int) -> NDArray[np.uint8]:
    """The images of files, each its largest centred square: uint8 (N, size, size, 3).

    Args:
        names: N files.
        size: side in pixels.

    Raises:
        DataMissing: one that cannot be decoded; the message names the first.
    """
    images = np.zeros((len(names), size, size, 3), np.uint8)
    if bad := decode_all(list(names), size, images):
        position, why = next(iter(bad.items()))
        more = f" (and {len(bad) - 1} more files)" if len(bad) > 1 else ""
        raise DataMissing(f"cannot decode {names[position]}: {why}{more}; take it out of X and y")
    return images


def squares(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Images as a file's would be prepared: (N, size, size, 3), each its largest centred square.

    Args:
        images: uint8 (N, H, W, 3).
        size: side in pixels.
    """
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([np.asarray(prepare_image(Image.fromarray(one), size)) for one in images])


def feature_set(values: NDArray[np.float64], labels: Labels) -> FeatureArrays:
    """A data set of N vectors without test examples, whose views are made when they are asked for.

    Args:
        values: (N, d), finite.
        labels: of the N.
    """
    plain = np.ascontiguousarray(values, dtype=np.float32)[:, None]
    return FeatureArrays(
        train_images=KeptViews(plain),
        train_targets=labels.codes,
        test_images=KeptViews(plain[:0]),
        test_targets=labels.codes[:0],
        classes=_names(labels),
        weak=0,
        strong=0,
    )


def image_set(images: NDArray[np.uint8], labels: Labels, net: str, hflip: bool) -> ImageArrays:
    """A data set of N images without test images.

    Args:
        images: (N, S, S, 3).
        labels: of the N.
        net: the network, whose mean and deviation are taken where it has some; else ImageNet's.
        hflip: whether a mirrored image keeps its class.
    """
    made = made_for(net)
    look = (IMAGENET_MEAN, IMAGENET_STD) if made is None else (made.mean, made.std)
    return ImageArrays(
        train_images=images,
        train_targets=labels.codes,
        test_images=images[:0],
        test_targets=labels.codes[:0],
        classes=_names(labels),
        mean=look[0],
        std=look[1],
        hflip=hflip,
    )


def _names(labels: Labels) -> tuple[str, ...]:
    """Names of the classes for what the engine says of them."""
    return tuple(map(str, labels.classes.tolist()))
