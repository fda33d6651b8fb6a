"""Examples to predict, one by one: a file, an image of Pillow's, an array, or a point."""

import os
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.decode import BadImage, opened
from usb_ext.data.preprocessing import ImagePreprocessing, Preprocessing

File: TypeAlias = str | os.PathLike[str]
One: TypeAlias = File | Image.Image | NDArray[np.generic]
Images: TypeAlias = One | Sequence[One]
"""A file, an image of Pillow's, an array (H, W, 3) or (N, H, W, 3), uint8, or a point (d,) or points
(N, d); or a list of such."""


def is_file_name(example: object) -> bool:
    """Whether an example is the name of a file."""
    return isinstance(example, str | os.PathLike)


def is_image(images: Images) -> bool:
    """Whether examples are images and no features: files, Pillow's images, or uint8 (..., H, W, 3).

    Args:
        images: one example, an array of them, or a list, whose first one tells.
    """
    if isinstance(images, str | os.PathLike | Image.Image):
        return True
    if isinstance(images, np.ndarray):
        return images.dtype == np.uint8 and images.ndim >= 3
    return len(images) > 0 and is_image(images[0])


def listed(images: Images, transform: Preprocessing) -> Sequence[One]:
    """The examples one by one; a single one is a list of one.

    Args:
        images: as `Images` says.
        transform: of the run, which tells an image from several and a point from several.
    """
    if isinstance(images, str | os.PathLike | Image.Image):
        return [images]
    single = 3 if isinstance(transform, ImagePreprocessing) else 1
    if isinstance(images, np.ndarray) and images.ndim == single:
        return [images]
    return list(images)


def read(example: One, transform: Preprocessing) -> torch.Tensor:
    """One example as the network takes it: (3, S, S) or (d,).

    Args:
        example: a file, an image or a point.
        transform: of the run.

    Raises:
        BadImage: a file that cannot be decoded.
        ValueError: neither a file, nor what the preprocessing takes.
    """
    if isinstance(example, str | os.PathLike):
        if not isinstance(transform, ImagePreprocessing):
            raise ValueError(
                f"the run takes points of {transform.features} numbers, got a file name"
            )
        with opened(example) as image:
            return transform(image)
    return transform(example)


def read_or_refuse(number: int, example: One, transform: Preprocessing) -> torch.Tensor:
    """The same, with an error of ours that names the example.

    Args:
        number: its place in the list, from 0.
        example: as in `read`, like `transform`.

    Raises:
        DataMissing: a file that cannot be decoded.
        SettingsError: something else that is no example of this run.
    """
    try:
        return read(example, transform)
    except BadImage as error:
        raise DataMissing(f"cannot decode {os.fspath(example)}: {error}") from error  # type: ignore[arg-type]
    except (ValueError, TypeError, OSError, SyntaxError) as error:
        raise SettingsError(f"images: number {number} cannot be used: {error}") from error
