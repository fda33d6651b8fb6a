"""The random numbers of the weak view, drawn for a whole batch at once and on the CPU.

LayerMatch, Table 7 (weak augmentation): a random translation and a random horizontal flip. USB's are
torchvision's `RandomCrop(size, padding, "reflect")` and `RandomHorizontalFlip(0.5)`: the upper left
corner of the crop is uniform over the whole numbers 0..2*padding in each direction, so the shift
against the unpadded image is uniform over -padding..padding.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class WeakDraws:
    """How each of n images is shifted and whether it is mirrored (LayerMatch, Table 7).

    Attributes:
        shift: (n, 2) int64, pixels downwards and rightwards that the window moves over the image.
        flip: (n,) bool, mirror left and right after the shift.

    Raises:
        ValueError: other shapes.
    """

    shift: torch.Tensor
    flip: torch.Tensor

    def __post_init__(self) -> None:
        if self.flip.dim() != 1 or self.shift.shape != (len(self.flip), 2):
            found = f"shift {tuple(self.shift.shape)}, flip {tuple(self.flip.shape)}"
            raise ValueError(f"{found}; wanted (n, 2) and (n,)")

    def part(self, start: int, stop: int) -> "WeakDraws":
        """The draws of images start..stop-1."""
        return WeakDraws(self.shift[start:stop], self.flip[start:stop])


def draw_weak(n: int, padding: int, hflip: bool, generator: torch.Generator) -> WeakDraws:
    """Shifts and flips of n images (LayerMatch, Table 7: weak).

    Args:
        n: number of images, >= 0.
        padding: p >= 0 in pixels; USB's is int(size * (1 - crop_ratio)). Shifts are in -p..p.
        hflip: mirror half of the images; else none.
        generator: a CPU generator; it alone decides the draws.

    Raises:
        ValueError: a negative padding.
    """
    if padding < 0:
        raise ValueError(f"padding is {padding} pixels; it must be at least 0")
    shift = torch.randint(-padding, padding + 1, (n, 2), generator=generator)
    flip = torch.rand(n, generator=generator) < (0.5 if hflip else 0.0)
    return WeakDraws(shift, flip)
