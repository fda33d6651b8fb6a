"""Color and Sharpness against USB's on Pillow images, bit for bit (LayerMatch, Table 7)."""

import pytest
import torch
from support.pillow import DEVICES, SIZES, assert_same, each_with_each, pictures

from usb_ext.augment.draws import Op
from usb_ext.augment.ops import colour, sharpness, smooth

FACTORS = [0.0, 1e-6, 0.05, 0.3, 0.5, 2 / 3, 0.95, 1.0]
SMALL = [(1, 1), (1, 5), (2, 2), (2, 5), (5, 2), (3, 3), (3, 4)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_colour(device: str, size: tuple[int, int]) -> None:
    images, magnitudes = each_with_each(pictures(*size), FACTORS)
    got = colour(images.to(device), magnitudes.float().to(device))
    assert_same(got, images, Op.COLOUR, magnitudes)


@pytest.mark.parametrize("size", [*SIZES, *SMALL], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_sharpness(device: str, size: tuple[int, int]) -> None:
    images, magnitudes = each_with_each(pictures(*size), FACTORS)
    before = images.clone()
    got = sharpness(images.to(device), magnitudes.float().to(device))
    assert_same(got, images, Op.SHARPNESS, magnitudes)
    assert torch.equal(images, before)


@pytest.mark.parametrize("device", DEVICES)
def test_smoothing_rounds_every_possible_sum(device: str) -> None:
    """Sums 0..3315 of five times the centre and eight neighbours, against whole-number division."""
    total = torch.arange(13 * 255 + 1)
    centre = torch.maximum(total // 13, (total - 8 * 255 + 4) // 5)  # leaves at most 8 * 255
    left = total - 5 * centre
    share = torch.arange(8)
    around = (left[:, None] + share) // 8
    cells = torch.cat((around[:, :4], centre[:, None], around[:, 4:]), dim=1)
    assert cells.min() >= 0 and cells.max() <= 255
    got = smooth(cells.to(torch.uint8).view(-1, 1, 3, 3).to(device))
    assert torch.equal(got.cpu().view(-1).long(), (2 * total + 13) // 26)
