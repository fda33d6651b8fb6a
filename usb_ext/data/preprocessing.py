"""From an image or a point to what the network takes, as evaluation prepares it: nothing is random here.

Made of a few values that a run's `model.json` holds, so that no data set is needed to predict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from PIL import Image
from torchvision import transforms

from usb_ext.augment.recipe import recipe_of
from usb_ext.augment.usb_views import Jitter, KeptView, eval_transform
from usb_ext.data.decode import prepare_image, upright_rgb

Example: TypeAlias = Image.Image | ArrayLike
"""An image or a point; each preprocessing refuses what it does not take."""


@dataclass(frozen=True)
class ImagePreprocessing:
    """From an image to a normalised tensor (3, S, S); called with one, and picklable.

    Attributes:
        size: S, in pixels.
        mean: of the 3 channels, of pixels in [0, 1].
        std: likewise, > 0.
        resize: what becomes of an image that is no square of S pixels. None: its largest centred square is
            resized to S. A number: its shorter side is resized to so many pixels, and the centre of S x S
            is cut out (USB's ImageNet and Semi-Aves).
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None

    def __call__(self, image: Example) -> torch.Tensor:
        """The tensor (3, S, S), float32.

        Args:
            image: as Pillow opens it, of any size and mode, or uint8 of shape (H, W, 3). EXIF orientation
                is applied and transparency laid on white, as in `data.decode`.

        Raises:
            ValueError: something else, or an array of another type or shape.
        """
        opened = image if isinstance(image, Image.Image) else _as_image(image)
        if self.resize is None:
            square = prepare_image(opened, self.size)
        else:
            cut = [transforms.Resize(self.resize), transforms.CenterCrop(self.size)]
            square = transforms.Compose(cut)(upright_rgb(opened))
        return eval_transform(self.size, self.mean, self.std)(square)

    def to_json(self) -> dict[str, Any]:
        """The values of it that `from_json` reads."""
        return {
            "kind": "image",
            "shape": [len(self.mean), self.size, self.size],
            "mean": list(self.mean),
            "std": list(self.std),
            "resize": self.resize,
        }


@dataclass(frozen=True)
class PointPreprocessing:
    """From a point to a tensor (d,), which is the point itself; called with one, and picklable.

    Attributes:
        features: d, numbers that a point has.
    """

    features: int

    def __call__(self, point: Example) -> torch.Tensor:
        """The tensor (d,), float32.

        Args:
            point: d numbers.

        Raises:
            ValueError: of another shape.
        """
        values = torch.as_tensor(np.asarray(point, dtype=np.float32))
        if values.shape != (self.features,):
            raise ValueError(
                f"a point has {self.features} numbers, got shape {tuple(values.shape)}"
            )
        return values

    def to_json(self) -> dict[str, Any]:
        """The values of it that `from_json` reads."""
        return {"kind": "point", "shape": [self.features]}


Preprocessing: TypeAlias = ImagePreprocessing | PointPreprocessing


def from_json(values: Mapping[str, Any]) -> Preprocessing:
    """A preprocessing from what its `to_json` gave.

    Args:
        values: `kind`, `shape` and what the kind has beside them.

    Raises:
        LookupError, TypeError, ValueError: something else.
    """
    shape = [int(side) for side in values["shape"]]
    if values["kind"] == "point":
        return PointPreprocessing(*shape)
    if values["kind"] != "image":
        raise ValueError(f"kind is {values['kind']!r}; known: image, point")
    mean, std = (tuple(float(v) for v in values[name]) for name in ("mean", "std"))
    if [len(mean), len(std)] != [shape[0], shape[0]] or shape[1:] != [shape[-1]] * 2:
        raise ValueError(f"shape {shape} does not fit mean {mean} and std {std}")
    resize = values["resize"]
    return ImagePreprocessing(shape[-1], mean, std, None if resize is None else int(resize))


def preprocessing_of(datasets: Mapping[str, Any]) -> Preprocessing | None:
    """How a run's evaluation prepares an image or point, read from its data sets.

    Args:
        datasets: USB's names to data sets. Where nothing is evaluated, the labelled set tells: its view
            has size, mean and deviation of the evaluation's, besides what is random.

    Returns:
        None for texts and sounds, and for views that follow another pattern.
    """
    there = [
        datasets[name] for name in ("eval", "val", "train_lb") if datasets.get(name) is not None
    ]
    transform = getattr(there[0], "transform", None)
    if isinstance(transform, Jitter | KeptView):
        return PointPreprocessing(int(there[0].data.shape[-1]))
    recipe = recipe_of(transform)
    if recipe is not None:
        return ImagePreprocessing(recipe.size, recipe.mean, recipe.std)
    return _centre_cut(transform)


def _centre_cut(transform: Any) -> ImagePreprocessing | None:
    """USB's evaluation of ImageNet and Semi-Aves: resized, then the centre."""
    steps = list(getattr(transform, "transforms", ()))
    if [type(step).__name__ for step in steps] != ["Resize", "CenterCrop", "ToTensor", "Normalize"]:
        return None
    resize, crop, _, look = steps
    mean, std = (tuple(float(v) for v in values) for values in (look.mean, look.std))
    return ImagePreprocessing(int(crop.size[0]), mean, std, int(resize.size))


def _as_image(pixels: object) -> Image.Image:
    """An array as an image.

    Raises:
        ValueError: it is not uint8 of shape (H, W, 3).
    """
    if not isinstance(pixels, np.ndarray):
        raise ValueError(f"an image is one of Pillow's or an array, got {type(pixels).__name__}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(
            f"an array of an image is uint8 of shape (H, W, 3), got {pixels.dtype} of shape {pixels.shape}"
        )
    return Image.fromarray(pixels)
