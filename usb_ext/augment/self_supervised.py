"""Colour jitter and grey of a batch, each image with its own factors and its own order.

SimSiam (Chen & He, 2021, App. A), BYOL and SimCLR: brightness, contrast, saturation and hue change, in an
order that is random for each image, and some images turn grey (AS3L takes its features from these
methods, Sec. 5.1.2). Levels are numbers in [0, 1], where torchvision's on Pillow images would be rounded
to 256 steps after each operation; the formulas are those of torchvision on floating-point tensors.

Random resized crop and flip of a batch, each image with its own box: one read of the pixels.

SimSiam (Chen & He, 2021, App. A) and BYOL's and SimCLR's recipes, which AS3L takes its features from
(Sec. 5.1.2): a box of random area and shape is cut out and enlarged to the image's size. The box never
exceeds the image and the image keeps its size, so pixels are only ever spread (bilinear); torchvision's
antialiasing does nothing then, and each image comes out as torchvision's `resized_crop` makes it.

The random numbers of self-supervised views, drawn for a whole batch at once and on the CPU.

SimSiam (Chen & He, 2021, App. A), the views AS3L's features come from (Sec. 5.1.2): random resized crop,
flip, colour jitter with some probability, grey with some probability. On CIFAR there is no blur.

A self-supervised view of a batch: crop, flip, jitter, grey, as a handful of operations.

SimSiam (Chen & He, 2021, App. A), whose features AS3L starts from (Sec. 5.1.2). Nothing here draws, loops
over images or waits for the device: `ssl_draws` draws on the CPU, which image meets which operation is
sorted there too, and everything is sent to the device in one copy.
"""

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F

from usb_ext.augment.transfer import move_together

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
NEUTRAL = (1.0, 1.0, 1.0, 0.0)
LUMA = (0.2989, 0.587, 0.114)


def luma(images: torch.Tensor) -> torch.Tensor:
    """Grey levels of colour images (SimSiam, App. A: grayscale).

    Args:
        images: (N, 3, H, W) in [0, 1].

    Returns:
        (N, 1, H, W) in [0, 1].
    """
    red, green, blue = images.unbind(1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)


def shift_hue(images: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Colours turned on the colour circle (SimSiam, App. A: jitter).

    With value V = max(R, G, B), chroma D = V - min(R, G, B) and hue h in sixths of the circle, a channel
    is V - D clamp(min(k, 4 - k), 0, 1) with k = (m + h) mod 6 and m = 5, 3, 1 for red, green, blue.

    Args:
        images: (N, 3, H, W) in [0, 1].
        shift: (N,) in turns of the circle, -0.5 to 0.5.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    safe = torch.where(chroma > 0, chroma, 1.0)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = hue + 6 * shift[:, None, None]
    channels = []
    for offset in (5, 3, 1):
        k = torch.remainder(hue + offset, 6)
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)


def _towards(base: torch.Tensor, images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """base + factor (images - base), cut to [0, 1]; factor (N,) of images (N, 3, H, W)."""
    factor = factor[:, None, None, None]
    return (factor * images + (1 - factor) * base).clamp_(0, 1)


def adjust(images: torch.Tensor, op: int, factor: torch.Tensor) -> torch.Tensor:
    """One of the four operations, each image by its own amount (SimSiam, App. A: jitter).

    Args:
        images: (N, 3, H, W) in [0, 1].
        op: BRIGHTNESS, CONTRAST or SATURATION (factor >= 0, 1 changes nothing) or HUE (a shift in
            turns, 0 changes nothing).
        factor: (N,).

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    if op == HUE:
        return shift_hue(images, factor)
    if op == BRIGHTNESS:
        return _towards(torch.zeros_like(images), images, factor)
    grey = luma(images)
    return _towards(grey.mean((1, 2, 3), keepdim=True) if op == CONTRAST else grey, images, factor)


def to_grey(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The chosen images in grey, on three equal channels (SimSiam, App. A: grayscale).

    Args:
        images: (N, 3, H, W) in [0, 1].
        chosen: (N,) bool.

    Returns:
        (N, 3, H, W).
    """
    return torch.where(chosen[:, None, None, None], luma(images).expand_as(images), images)


ATTEMPTS = 10
SHAPES = (3 / 4, 4 / 3)


def draw_boxes(
    n: int,
    size: int,
    area: tuple[float, float],
    generator: torch.Generator,
    shapes: tuple[float, float] = SHAPES,
) -> torch.Tensor:
    """Boxes as torchvision's `RandomResizedCrop` draws them (SimSiam, App. A; AS3L, Sec. 5.1.2).

    Area uniform, logarithm of the ratio of width to height uniform; of ten attempts the first that fits
    is taken, and if none does the whole image.

    Args:
        n: number of images, >= 0.
        size: side of the square images in pixels, >= 1.
        area: smallest and largest share of the image's area, in (0, 1].
        generator: a CPU generator; it alone decides the draws.
        shapes: smallest and largest ratio of width to height, > 0; 1 between them.

    Returns:
        (N, 4) int64: top, left, height, width in pixels.
    """
    u = torch.rand(n, ATTEMPTS, 2, generator=generator, dtype=torch.float64)
    corner = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    share = area[0] + (area[1] - area[0]) * u[..., 0]
    low, high = math.log(shapes[0]), math.log(shapes[1])
    ratio = torch.exp(low + (high - low) * u[..., 1])
    extent = torch.stack((share / ratio, share * ratio), -1).sqrt().mul(size).round().long()
    fits = ((extent >= 1) & (extent <= size)).all(-1)
    first = fits.to(torch.int8).argmax(1)
    chosen = extent[torch.arange(n), first]
    chosen = torch.where(fits.any(1, keepdim=True), chosen, torch.full_like(chosen, size))
    place = (corner * (size + 1 - chosen)).floor().long()
    return torch.cat((place, chosen), 1)


def resized_crop(images: torch.Tensor, boxes: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
    """Each image's box enlarged to the image's size, then mirrored (SimSiam, App. A).

    Args:
        images: (N, C, H, W) floating point.
        boxes: (N, 4) top, left, height, width in pixels, inside the image; on the images' device.
        flip: (N,) bool, mirror left and right.

    Returns:
        (N, C, H, W).
    """
    height, width = images.shape[2:]
    top, left, tall, wide = boxes.to(images.dtype).unbind(1)
    rows = _sources(top, tall, height)
    columns = _sources(left, wide, width)
    columns = torch.where(flip[:, None], columns.flip(1), columns)
    x = (columns * 2 + 1) / width - 1
    y = (rows * 2 + 1) / height - 1
    grid = torch.stack(
        (x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)), -1
    )
    return F.grid_sample(images, grid, "bilinear", "border", align_corners=False)


def _sources(start: torch.Tensor, extent: torch.Tensor, length: int) -> torch.Tensor:
    """Where each of `length` pixels is read: start (N,) and extent (N,) give positions (N, length)."""
    centres = torch.arange(length, device=start.device, dtype=start.dtype) + 0.5
    inside = centres * (extent / length).unsqueeze(1) - 0.5
    inside = torch.minimum(inside.clamp(min=0), extent.unsqueeze(1) - 1)
    return inside + start.unsqueeze(1)


@dataclass(frozen=True)
class ViewRecipe:
    """How self-supervised views are made; the defaults are SimSiam's for CIFAR.

    Attributes:
        crop_min: smallest share of the area that a crop keeps, in (0, 1].
        hflip: whether half of the images are mirrored.
        jitter_p: probability of colour jitter.
        jitter: largest relative change of brightness, contrast and saturation, in [0, 1].
        hue: largest turn of the hue, in turns, in [0, 0.5].
        grey_p: probability of grey.
    """

    crop_min: float = 0.2
    hflip: bool = True
    jitter_p: float = 0.8
    jitter: float = 0.4
    hue: float = 0.1
    grey_p: float = 0.2


@dataclass(frozen=True)
class ViewDraws:
    """What happens to each of n images (SimSiam, App. A).

    Attributes:
        boxes: (N, 4) int64: top, left, height, width of the crop in pixels.
        flip: (N,) bool.
        jittered: (N,) bool, whether colours change.
        factors: (N, 4) float32: brightness, contrast, saturation (1 changes nothing), hue in turns.
        order: (N, 4) int64, a permutation of 0 to 3: the operations as they follow each other.
        grey: (N,) bool.
    """

    boxes: torch.Tensor
    flip: torch.Tensor
    jittered: torch.Tensor
    factors: torch.Tensor
    order: torch.Tensor
    grey: torch.Tensor

    def part(self, start: int, stop: int) -> "ViewDraws":
        """The draws of images start..stop-1."""
        return ViewDraws(**{f.name: getattr(self, f.name)[start:stop] for f in fields(self)})


def draw_views(n: int, size: int, recipe: ViewRecipe, generator: torch.Generator) -> ViewDraws:
    """The draws of one view of n images, with torchvision's distributions (SimSiam, App. A).

    Args:
        n: number of images, >= 0.
        size: side of the square images in pixels, >= 1.
        recipe: how strong the views are.
        generator: a CPU generator; it alone decides the draws.

    Returns:
        Draws of shapes (N, ...), on the CPU.
    """
    boxes = draw_boxes(n, size, (recipe.crop_min, 1.0), generator)
    chance = torch.rand(n, 3, generator=generator)
    amount = torch.rand(n, 4, generator=generator) * 2 - 1
    strength = torch.tensor([recipe.jitter] * 3 + [recipe.hue])
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0])
    return ViewDraws(
        boxes=boxes,
        flip=chance[:, 0] < (0.5 if recipe.hflip else 0.0),
        jittered=chance[:, 1] < recipe.jitter_p,
        factors=neutral + strength * amount,
        order=torch.rand(n, 4, generator=generator).argsort(1),
        grey=chance[:, 2] < recipe.grey_p,
    )


def self_supervised_view(images: torch.Tensor, draws: ViewDraws) -> torch.Tensor:
    """One view of each image (SimSiam, App. A), as torchvision makes it on floating-point tensors.

    Args:
        images: (N, 3, H, H) uint8 on any device.
        draws: for n images, on the CPU.

    Returns:
        (N, 3, H, H) float32 in [0, 1], on the images' device.

    Raises:
        ValueError: images of another type or shape, or of another number than the draws.
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        found = f"{images.dtype} of shape {tuple(images.shape)}"
        raise ValueError(f"images are {found}; wanted torch.uint8 of shape (n, 3, H, H)")
    if len(images) != len(draws.boxes):
        raise ValueError(f"{len(images)} images but draws for {len(draws.boxes)}")
    plan = _plan(draws)
    fixed = [draws.boxes, draws.flip, draws.grey]
    parts = [t for _, rows, factor in plan for t in (rows, factor)]
    boxes, flip, grey, *moved = move_together([*fixed, *parts], images.device)
    view = resized_crop(images.float() / 255, boxes, flip)
    for (op, _, _), rows, factor in zip(plan, moved[::2], moved[1::2], strict=True):
        view.index_copy_(0, rows, adjust(view.index_select(0, rows), op, factor))
    return to_grey(view, grey) if draws.grey.any() else view


def _plan(draws: ViewDraws) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
    """The jitter in steps: operation, which images (m,) it meets then, and by how much (m,).

    An operation that changes nothing (strength 0) is left out.
    """
    steps = []
    for slot in range(draws.order.shape[1]):
        for op, neutral in enumerate(NEUTRAL):
            chosen = draws.jittered & (draws.order[:, slot] == op)
            chosen &= draws.factors[:, op] != neutral
            rows = chosen.nonzero().squeeze(1)
            if len(rows):
                steps.append((op, rows, draws.factors[rows, op]))
    return steps
