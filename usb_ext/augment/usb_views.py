"""The weak, strong and evaluation views of an image: USB's recipe for CIFAR, as transforms.

Resize, random crop after reflect padding, mirroring, [RandAugment], to tensor, normalise; the order
and the padding of int(size * (1 - crop_ratio)) pixels a side are USB's. Random numbers come from
torch's generator (crop, mirror) and from whatever the RandAugment that is handed in draws from.

Views of a point or vector: itself, one that was kept, or with noise and numbers left out.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from usb_ext.core.errors import SettingsError

View = Callable[[Image.Image], Tensor]
PillowTransform = Callable[[Image.Image], Image.Image]


def weak_transform(
    size: int, crop_ratio: float, mean: Sequence[float], std: Sequence[float], hflip: bool
) -> View:
    """Shift and, where it keeps the class, mirror: an RGB image to a tensor (3, size, size).

    Args:
        size: side in pixels; the shorter side of the image is resized to it.
        crop_ratio: above 0, at most 1; padding is int(size * (1 - crop_ratio)) pixels a side.
        mean: of the 3 channels, of pixels in [0, 1].
        std: of the 3 channels, in the same unit, > 0.
        hflip: mirror with probability 1/2.

    Raises:
        SettingsError: size or crop_ratio out of range.
    """
    view: View = transforms.Compose(
        [*_geometry(size, crop_ratio, hflip), *_to_normalised(mean, std)]
    )
    return view


def strong_transform(
    size: int,
    crop_ratio: float,
    mean: Sequence[float],
    std: Sequence[float],
    hflip: bool,
    rand_augment: PillowTransform,
) -> View:
    """The weak view with `rand_augment`, image to image, before the tensor: (3, size, size).

    Args:
        rand_augment: USB's RandAugment(3, 5), or any other; the rest as in `weak_transform`.

    Raises:
        SettingsError: size or crop_ratio out of range.
    """
    view: View = transforms.Compose(
        [*_geometry(size, crop_ratio, hflip), rand_augment, *_to_normalised(mean, std)]
    )
    return view


def eval_transform(size: int, mean: Sequence[float], std: Sequence[float]) -> View:
    """Resize and normalise, nothing random: an RGB image to a tensor (3, size, size).

    Raises:
        SettingsError: size below 1.
    """
    _check_size(size)
    view: View = transforms.Compose([transforms.Resize(size), *_to_normalised(mean, std)])
    return view


def _geometry(size: int, crop_ratio: float, hflip: bool) -> list[Any]:
    """Resize, padded random crop, mirror."""
    _check_size(size)
    if not 0.0 < crop_ratio <= 1.0:
        raise SettingsError(f"crop_ratio is {crop_ratio}; it must be above 0 and at most 1")
    padding = int(size * (1 - crop_ratio))
    return [
        transforms.Resize(size),
        transforms.RandomCrop(size, padding=padding, padding_mode="reflect"),
        *([transforms.RandomHorizontalFlip()] if hflip else []),
    ]


def _to_normalised(mean: Sequence[float], std: Sequence[float]) -> list[Any]:
    """To a tensor in [0, 1], then to zero mean and unit variance over the training set."""
    return [transforms.ToTensor(), transforms.Normalize(list(mean), list(std))]


def _check_size(size: int) -> None:
    if size < 1:
        raise SettingsError(f"img_size is {size}; it must be at least 1 pixel")


class Jitter:
    """A view (d,) of a point (d,): Gaussian noise added, or nothing.

    ours: the paper says nothing of views for its toy sets, and Pseudo-Label needs none; consistency
    methods on points need noise to differ in.

    Args:
        std: standard deviation of the noise in the unit of the points; 0 gives the point as it is. The
            numbers come from torch's generator, which the loaders seed for each step.
    """

    def __init__(self, std: float) -> None:
        self.std = std

    def __call__(self, point: torch.Tensor) -> torch.Tensor:
        """A view, shape (d,)."""
        return point + self.std * torch.randn(point.shape) if self.std else point


class KeptView:
    """A view (d,) of an example whose views were kept: one of them, drawn uniformly.

    Args:
        first: its place among the kept ones, 0 for the plain view.
        count: how many there are to draw from; 1 draws nothing. The numbers come from torch's generator.
    """

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __call__(self, views: torch.Tensor) -> torch.Tensor:
        """A view, float32 of shape (d,), of kept ones (V, d)."""
        drawn = int(torch.randint(self.count, ())) if self.count > 1 else 0
        return views[self.first + drawn].float()


class DroppedView(KeptView):
    """A view (d,) of a vector (d,) made when it is asked for: Gaussian noise, then numbers set to 0.

    ours: a vector of features has no crop and no colour. Left-out numbers are 0, which is their mean where
    vectors are standardised, and the others keep their size, so that a view lies where vectors lie.

    Args:
        noise: standard deviation of the noise, in the unit of the vectors; 0 adds none.
        dropout: probability of each number to be 0, in [0, 1); 0 leaves none out.
    """

    def __init__(self, noise: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__(0, 1)
        self.noise, self.dropout = noise, dropout

    def __call__(self, views: torch.Tensor) -> torch.Tensor:
        """A view, float32 of shape (d,), of the only kept one (1, d)."""
        return self.made(views.float())[0]

    def made(
        self,
        plain: torch.Tensor,
        generator: torch.Generator | None = None,
        drawn: int | None = None,
        taken: "slice | torch.Tensor | None" = None,
    ) -> torch.Tensor:
        """Views (n, d) of vectors (n, d).

        Args:
            plain: float32, on any device.
            generator: of the CPU; None is torch's own.
            drawn: rows that numbers are drawn for, >= n, so that fewer rows draw the same; None is n.
            taken: which n of them these vectors get; None is the first n.
        """
        n, d = plain.shape
        rows = n if drawn is None else drawn
        which = slice(n) if taken is None else taken
        view = plain
        if self.noise:
            added = torch.randn((rows, d), generator=generator)[which]
            view = view + self.noise * added.to(view.device)
        if self.dropout:
            kept = torch.rand((rows, d), generator=generator)[which] >= self.dropout
            view = view * kept.to(view.device)
        return view
