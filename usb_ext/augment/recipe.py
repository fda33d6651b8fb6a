"""Reading a view's recipe out of USB's transforms, so that the batched way makes the same views.

USB's image sets share one pattern: Resize, RandomCrop with reflect padding, mirroring, RandAugment(3, 5),
ToTensor, Normalize (CIFAR-10 and -100, SVHN, STL-10, EuroSAT, TissueMNIST, and ours). What follows another
pattern (ImageNet's random resized crop) is left to USB's own pipeline.

Which views an algorithm is served, by its name, as USB's BasicDataset decides it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torchvision import transforms

from usb_ext.augment.draws import Op
from usb_ext.settings.algorithms import served_as


@dataclass(frozen=True)
class Recipe:
    """How a view is made from an image of `size` x `size` pixels.

    Attributes:
        size: side in pixels; the shorter side of a stored image is resized to it first.
        padding: pixels of reflect padding a side before the random crop; None for no crop.
        hflip: whether mirroring takes place (probability 1/2).
        num_ops: RandAugment's operations in a row; 0 for a weak view.
        mean: of the three channels, of pixels in [0, 1].
        std: likewise, > 0.
    """

    size: int
    padding: int | None
    hflip: bool
    num_ops: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def recipe_of(transform: object) -> Recipe | None:
    """The recipe of a torchvision Compose, or None if it follows another pattern."""
    steps = list(getattr(transform, "transforms", ()))
    kinds = [type(step).__name__ for step in steps]
    pattern = [k for k in kinds if k not in ("RandomCrop", "RandomHorizontalFlip", "RandAugment")]
    if pattern != ["Resize", "ToTensor", "Normalize"] or not _in_order(kinds):
        return None
    by_kind = dict(zip(kinds, steps, strict=True))
    crop, augment = by_kind.get("RandomCrop"), by_kind.get("RandAugment")
    if not (_usual_crop(crop) and _usual_augment(augment)):
        return None
    size, normalise = by_kind["Resize"].size, by_kind["Normalize"]
    return Recipe(
        size=int(size),
        padding=None if crop is None else int(crop.padding),
        hflip="RandomHorizontalFlip" in by_kind,
        num_ops=0 if augment is None else int(augment.n),
        mean=tuple(float(v) for v in normalise.mean),
        std=tuple(float(v) for v in normalise.std),
    )


ORDER = ("Resize", "RandomCrop", "RandomHorizontalFlip", "RandAugment", "ToTensor", "Normalize")


def _in_order(kinds: list[str]) -> bool:
    places = [ORDER.index(k) if k in ORDER else -1 for k in kinds]
    return -1 not in places and places == sorted(set(places))


def _usual_crop(crop: Any) -> bool:
    if crop is None:
        return True
    return crop.padding_mode == "reflect" and isinstance(crop.padding, int)


def _usual_augment(augment: Any) -> bool:
    return augment is None or len(augment.augment_list) == len(Op)


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Images of the recipe's size: (N, H, W, 3) uint8 to (N, size, size, 3), resized once for all.

    Raises:
        ValueError: for images that are not square, whose crop would depend on chance alone.
    """
    if images.shape[1:3] == (size, size):
        return images
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"images are {images.shape[1]} x {images.shape[2]}, not square")
    return np.stack([resized_one(image, size) for image in images])


def resized_one(image: np.ndarray, size: int) -> np.ndarray:
    """One image (H, W, 3) uint8 as torchvision's Resize makes it: its shorter side becomes `size`."""
    if image.shape[0] == image.shape[1] == size:
        return image
    return np.asarray(transforms.Resize(size)(Image.fromarray(image)))


WEAK, STRONG, ROTATED = "weak", "strong", "rotated"

USUAL = {"x_ulb_w": WEAK, "x_ulb_s": STRONG}
UNLABELLED_VIEWS: dict[str, dict[str, str]] = {
    "fullysupervised": {},
    "supervised": {},
    "pseudolabel": {"x_ulb_w": WEAK},
    "vat": {"x_ulb_w": WEAK},
    "pimodel": {"x_ulb_w": WEAK, "x_ulb_s": WEAK},
    "meanteacher": {"x_ulb_w": WEAK, "x_ulb_s": WEAK},
    "mixmatch": {"x_ulb_w": WEAK, "x_ulb_s": WEAK},
    "comatch": {"x_ulb_w": WEAK, "x_ulb_s_0": STRONG, "x_ulb_s_1": STRONG},
    "remixmatch": {
        "x_ulb_w": WEAK,
        "x_ulb_s_0": STRONG,
        "x_ulb_s_1": STRONG,
        "x_ulb_s_0_rot": ROTATED,
    },
}


def unlabelled_views(algorithm: str) -> dict[str, str]:
    """Names of the unlabelled views and what each is; one weak and one strong for unknown names."""
    return UNLABELLED_VIEWS.get(served_as(algorithm), USUAL)


def labelled_views(algorithm: str) -> dict[str, str]:
    """Names of the labelled views; DeFixMatch wants a strong one too."""
    return {"x_lb": WEAK, "x_lb_s": STRONG} if algorithm == "defixmatch" else {"x_lb": WEAK}
