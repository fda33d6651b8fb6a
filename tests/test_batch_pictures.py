"""Pictures that bring out differences, Pillow's answers to them, and the devices to ask.

The other `test_batch_*` files compare with these answers; the tests here see to it that the pictures
are what their names say.
"""

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


def test_the_pictures_are_what_they_claim() -> None:
    images = pictures(16, 17)
    assert images.shape == (21, 3, 16, 17) and images.dtype == torch.uint8
    distinct = [[len(channel.unique()) for channel in image] for image in images]
    assert min(min(d) for d in distinct[:4]) > 100
    assert all(d == [1, 1, 1] for d in distinct[8:12])
    assert all(max(d) <= 2 for d in distinct[12:14]) and all(max(d) <= 4 for d in distinct[14:16])
    assert all(max(d) == 2 for d in distinct[16:20])
    assert len(images[20].flatten(1).unique(dim=1).T) == 16 * 17
    step = images[4:8].float().diff(dim=3).abs().mean()
    assert step < images[:4].float().diff(dim=3).abs().mean() / 3


def test_the_names_are_those_of_usb() -> None:
    names = [function.__name__.upper() for function in USB_OPS]
    assert names == [op.name.replace("_", "").replace("COLOUR", "COLOR") for op in Op]


def test_the_way_to_pillow_and_back() -> None:
    image = pictures(8, 9)[0]
    assert torch.equal(from_pillow(to_pillow(image)), image)
    assert torch.equal(usb_result(image, Op.IDENTITY, 0.3), image)
    assert torch.equal(usb_cutout(image, 0.0, (3.0, 3.0)), image)
