"""Pictures that bring out differences, Pillow's answers to them, and the devices to ask."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import usb_ext.upstream.usb  # noqa: F401  (loads semilearn)
from usb_ext.augment.draws import Op, StrongDraws

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


SIZES = [(8, 8), (9, 9), (16, 16), (17, 17), (32, 32), (33, 33), (11, 18), (18, 11)]


USB: Any = sys.modules["semilearn.datasets.augmentation.randaugment"]


USB_OPS = [function for function, _, _ in USB.augment_list()]


def pictures(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """(21, 3, H, W) uint8: noise, photograph-like, constant, few levels, nearly constant, positions."""
    generator = torch.Generator().manual_seed(seed)
    shape = (4, 3, height, width)
    noise = torch.randint(0, 256, shape, generator=generator)
    coarse = torch.rand(4, 3, 3, 3, generator=generator) * 255
    smooth = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255).long()
    level = torch.tensor([[0, 0, 0], [255, 255, 255], [7, 7, 7], [12, 200, 255]])
    constant = level[:, :, None, None].expand(shape)
    few = torch.tensor([0, 100, 101, 255])[torch.randint(0, 4, shape, generator=generator)]
    few[:2] = few[:2].clamp(100, 101)
    nearly = constant.clone()
    nearly[..., 0, 0] = torch.tensor([[1, 0, 0], [254, 0, 255], [8, 9, 7], [12, 0, 0]])
    row = torch.arange(height)[:, None].expand(height, width)
    column = torch.arange(width).expand(height, width)
    position = torch.stack((row, column, torch.full_like(row, 255)))[None]
    return torch.cat((noise, smooth, constant, few, nearly, position)).to(torch.uint8)


def to_pillow(image: torch.Tensor) -> Image.Image:
    """(3, H, W) uint8 to an RGB image."""
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def from_pillow(image: Image.Image) -> torch.Tensor:
    """An RGB image to (3, H, W) uint8."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def usb_result(image: torch.Tensor, op: int, magnitude: float) -> torch.Tensor:
    """What USB's own function makes of one image."""
    return from_pillow(USB_OPS[op](to_pillow(image), magnitude))


def usb_cutout(image: torch.Tensor, size: float, centre: Sequence[float]) -> torch.Tensor:
    """What USB's Cutout makes of one image if it draws this centre."""
    drawn, before = iter(centre), np.random.uniform
    np.random.uniform = lambda *_: next(drawn)  # type: ignore[assignment]
    try:
        return from_pillow(USB.Cutout(to_pillow(image), size))
    finally:
        np.random.uniform = before  # type: ignore[assignment]


def usb_strong(image: torch.Tensor, draws: StrongDraws, at: int) -> torch.Tensor:
    """USB's operations one after the other, then its Cutout."""
    for op, magnitude in zip(draws.ops[at].tolist(), draws.magnitudes[at].tolist(), strict=True):
        image = usb_result(image, op, magnitude)
    return usb_cutout(image, draws.cutout_size[at].item(), draws.cutout_centre[at].tolist())


def each_with_each(
    images: torch.Tensor, magnitudes: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Every image at every magnitude: (M, 3, H, W) and (M,) float64."""
    n = len(images)
    repeated = torch.tensor(magnitudes, dtype=torch.float64).repeat_interleave(n)
    return images.repeat(len(magnitudes), 1, 1, 1), repeated


def assert_same(got: torch.Tensor, images: torch.Tensor, op: int, magnitudes: torch.Tensor) -> None:
    """Bit for bit USB's, image by image."""
    for i, (image, magnitude) in enumerate(zip(images, magnitudes.tolist(), strict=True)):
        wanted = usb_result(image, op, magnitude)
        assert torch.equal(got[i].cpu(), wanted), f"{Op(op).name} {magnitude!r}, image {i}"
