"""Random resized crop and flip of a batch, each image with its own box: one read of the pixels.

SimSiam (Chen & He, 2021, App. A) and BYOL's and SimCLR's recipes, which AS3L takes its features from
(Sec. 5.1.2): a box of random area and shape is cut out and enlarged to the image's size. The box never
exceeds the image and the image keeps its size, so pixels are only ever spread (bilinear); torchvision's
antialiasing does nothing then, and each image comes out as torchvision's `resized_crop` makes it.
"""

import math

import torch
import torch.nn.functional as F

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
