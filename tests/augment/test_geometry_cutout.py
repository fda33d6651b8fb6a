"""Cutout against USB's on Pillow images with the same draws (LayerMatch, Table 7)."""

import pytest
import torch
from support.pillow import DEVICES, SIZES, pictures, usb_cutout

from usb_ext.augment.geometry import COLOUR, cutout_lines, paint

SHARES = [0.0, 1e-12, 0.01, 0.125, 0.25, 1 / 3, 0.4999, 0.5]


def painted(
    images: torch.Tensor, size: torch.Tensor, centre: torch.Tensor, device: str
) -> torch.Tensor:
    lines = cutout_lines(size, centre, *images.shape[2:])
    return paint(images.to(device), *(t.to(device) for t in (*lines, COLOUR))).cpu()


def assert_as_usb(
    images: torch.Tensor, size: torch.Tensor, centre: torch.Tensor, device: str
) -> None:
    got = painted(images, size, centre, device)
    for i, image in enumerate(images):
        wanted = usb_cutout(image, size[i].item(), centre[i].tolist())
        assert torch.equal(got[i], wanted), (size[i].item(), centre[i].tolist())


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_corners_edges_and_halves(device: str, shape: tuple[int, int]) -> None:
    height, width = shape
    x = torch.tensor([0.0, 0.5, 1.0, 2.5, width / 2, width - 1, width - 0.5, width])
    y = torch.tensor([0.0, 1.0, 1.75, height / 2, height - 1, height])
    every = torch.cartesian_prod(torch.tensor(SHARES), x, y).double()
    images = pictures(height, width)[:1].expand(len(every), -1, -1, -1).contiguous()
    assert_as_usb(images, every[:, 0].contiguous(), every[:, 1:], device)


@pytest.mark.parametrize("device", DEVICES)
def test_at_random(device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(600, 3, generator=generator, dtype=torch.float64)
    images = pictures(32, 32)[torch.arange(600) % 21]
    assert_as_usb(images, uniform[:, 0] / 2, uniform[:, 1:] * 32, device)


def test_by_hand() -> None:
    """Side 0.25 * 8 = 2 about (3.5, 5.2): from (2, 4), ends 4 and 6 included; nothing for side 0."""
    size, centre = torch.tensor([0.25, 0.0]).double(), torch.tensor([[3.5, 5.2]] * 2).double()
    rows, columns = cutout_lines(size, centre, 8, 8)
    assert rows.tolist() == [[0, 0, 0, 0, 255, 255, 255, 0], [0] * 8]
    assert columns.tolist() == [[0, 0, 255, 255, 255, 0, 0, 0], [0] * 8]
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    got = paint(images, rows, columns, COLOUR)
    assert got[0, :, 4, 2].tolist() == [125, 123, 114]
    assert (got[0, 0] > 0).sum() == 9 and not got[1].any() and not images.any()
