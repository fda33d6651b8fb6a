"""The random numbers of the strong view, drawn for a whole batch at once and on the CPU.

LayerMatch, Table 7 (strong augmentation) and FixMatch take RandAugment (Cubuk et al. 2020, Sec. 3) in
the form that USB runs: `RandAugment(3, 5)` draws three of fourteen operations with replacement, each
with a strength uniform in the operation's own range (the 5 is read by nothing), then Cutout. What
is drawn here has USB's distribution; what is done with it never draws again.

USB places Cutout with `np.random.uniform(w)`, which is uniform between w and 1, not between 0 and w:
the square's centre never lies within one pixel of the left or upper edge. Kept, to be USB's.

The random numbers of the weak view, drawn for a whole batch at once and on the CPU.

LayerMatch, Table 7 (weak augmentation): a random translation and a random horizontal flip. USB's are
torchvision's `RandomCrop(size, padding, "reflect")` and `RandomHorizontalFlip(0.5)`: the upper left
corner of the crop is uniform over the whole numbers 0..2*padding in each direction, so the shift
against the unpadded image is uniform over -padding..padding.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import inf

import torch


class Op(IntEnum):
    """The operations in the order of USB's `augment_list`, LayerMatch, Table 7."""

    AUTO_CONTRAST = 0
    BRIGHTNESS = 1
    COLOUR = 2
    CONTRAST = 3
    EQUALIZE = 4
    IDENTITY = 5
    POSTERIZE = 6
    ROTATE = 7
    SHARPNESS = 8
    SHEAR_X = 9
    SHEAR_Y = 10
    SOLARIZE = 11
    TRANSLATE_X = 12
    TRANSLATE_Y = 13


# Strengths that USB draws: blend factors, bits, degrees, shear per pixel, grey level, share of a side.
DRAWN = (
    (0.0, 1.0), (0.05, 0.95), (0.05, 0.95), (0.05, 0.95), (0.0, 1.0), (0.0, 1.0), (4.0, 8.0),
    (-30.0, 30.0), (0.05, 0.95), (-0.3, 0.3), (-0.3, 0.3), (0.0, 256.0), (-0.3, 0.3), (-0.3, 0.3),
)  # fmt: skip
_ANY = (-inf, inf)
# Strengths that the operations are defined for here.
ALLOWED = (
    _ANY, (0.0, 1.0), (0.0, 1.0), (0.0, 1.0), _ANY, _ANY, (0.0, 8.0),
    (-360.0, 360.0), (0.0, 1.0), (-1.0, 1.0), (-1.0, 1.0), (0.0, 256.0), (-1.0, 1.0), (-1.0, 1.0),
)  # fmt: skip
MAX_CUTOUT = 0.5


@dataclass(frozen=True)
class StrongDraws:
    """What happens to each of n images: k operations, then Cutout (LayerMatch, Table 7).

    Attributes:
        ops: (n, k) int64, 0..13, indices into `Op`; column j is applied as the j-th.
        magnitudes: (n, k) float64, each in its operation's `ALLOWED` range.
        cutout_size: (n,) float64 in 0..0.5, side of the square as a share of the image width.
        cutout_centre: (n, 2) float64, x and y in pixels, >= 0.

    Raises:
        ValueError: a shape, an index or a strength outside these ranges.
    """

    ops: torch.Tensor
    magnitudes: torch.Tensor
    cutout_size: torch.Tensor
    cutout_centre: torch.Tensor

    def __post_init__(self) -> None:
        n, k = self.ops.shape
        others = (self.magnitudes, self.cutout_size, self.cutout_centre)
        shapes = [tuple(t.shape) for t in others]
        if k < 1 or shapes != [(n, k), (n,), (n, 2)]:
            raise ValueError(f"ops has shape {(n, k)}, the others {shapes}; see StrongDraws")
        kinds = [t.dtype for t in (self.ops, *others)]
        if kinds != [torch.int64] + 3 * [torch.float64]:
            raise ValueError(f"the draws are of {kinds}; wanted int64 and three times float64")
        _check("ops", self.ops, 0, len(Op) - 1)
        low, high = torch.tensor(ALLOWED, dtype=torch.float64)[self.ops].unbind(-1)
        _check("magnitudes", self.magnitudes, low, high)
        _check("cutout_size", self.cutout_size, 0, MAX_CUTOUT)
        _check("cutout_centre", self.cutout_centre, 0, inf)

    def part(self, start: int, stop: int) -> "StrongDraws":
        """The draws of images start..stop-1."""
        fields = (self.ops, self.magnitudes, self.cutout_size, self.cutout_centre)
        return StrongDraws(*(field[start:stop] for field in fields))


def _check(
    name: str, values: torch.Tensor, low: torch.Tensor | float, high: torch.Tensor | float
) -> None:
    """Every value within its bounds; a NaN is not."""
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        raise ValueError(f"{name} holds {values[wrong][0].item()}, outside the range it may have")


def draw_strong(n: int, size: int, generator: torch.Generator, num_ops: int = 3) -> StrongDraws:
    """RandAugment's and Cutout's random numbers for n images (LayerMatch, Table 7).

    Args:
        n: number of images, >= 0.
        size: side of the square images in pixels, >= 1.
        generator: a CPU generator; it alone decides the draws.
        num_ops: k >= 1, operations an image; USB's RandAugment(3, 5) has 3.
    """
    low, high = torch.tensor(DRAWN, dtype=torch.float64).unbind(-1)
    ops = torch.randint(len(Op), (n, num_ops), generator=generator)
    uniform = torch.rand(n, num_ops + 3, generator=generator, dtype=torch.float64)
    magnitudes = low[ops] + (high - low)[ops] * uniform[:, :num_ops]
    centre = size + (1.0 - size) * uniform[:, num_ops + 1 :]
    return StrongDraws(ops, magnitudes, uniform[:, num_ops] * MAX_CUTOUT, centre)


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
