"""Luma and blend against Pillow, over every pair of levels (LayerMatch, Table 7)."""

import numpy as np
import pytest
import torch
from PIL import Image
from support.pillow import DEVICES, pictures, to_pillow

from usb_ext.augment.ops import blend, grey_levels

STRENGTHS = [0.0, 1e-9, 0.05, 0.1, 0.25, 1 / 3, 0.5, 0.7, 0.9, 0.95, 1 - 1e-8, 1.0]


@pytest.mark.parametrize("device", DEVICES)
def test_luma_of_every_third_colour(device: str) -> None:
    axis = torch.arange(0, 256, 3, dtype=torch.uint8)
    colours = torch.cartesian_prod(axis, axis, axis).T.reshape(1, 3, len(axis), -1)
    wanted = np.array(to_pillow(colours[0]).convert("L"))
    got = grey_levels(colours.to(device))
    assert got.shape == (1, 1, len(axis), len(axis) ** 2)
    assert np.array_equal(got[0, 0].cpu().numpy(), wanted)


def test_luma_exactly_between_two_levels_goes_up() -> None:
    axis = np.arange(256)
    luma = axis[:, None, None] * 19595 + axis[:, None] * 38470 + axis * 7471
    ties = torch.from_numpy(np.argwhere(luma % 65536 == 0x8000)).to(torch.uint8)
    assert len(ties) > 100
    image = ties.T.reshape(1, 3, 1, -1)
    wanted = np.array(to_pillow(image[0]).convert("L"))
    assert np.array_equal(grey_levels(image)[0, 0].numpy(), wanted)


def test_luma_of_each_image_is_its_own() -> None:
    images = pictures(9, 8)
    together = grey_levels(images)
    for i, image in enumerate(images):
        assert torch.equal(together[i : i + 1], grey_levels(image[None]))


@pytest.mark.parametrize("device", DEVICES)
def test_every_pair_of_levels(device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    strengths = STRENGTHS + torch.rand(200, generator=generator, dtype=torch.float64).tolist()
    levels = torch.arange(256, dtype=torch.uint8)
    base, image = levels[:, None].expand(256, 256), levels.expand(256, 256)
    pair = [Image.fromarray(t.contiguous().numpy()) for t in (base, image)]
    for strength in strengths:
        wanted = np.array(Image.blend(*pair, strength))
        got = blend(base.to(device), image.to(device), torch.tensor(strength).float().to(device))
        assert got.dtype == torch.uint8
        assert np.array_equal(got.cpu().numpy(), wanted), strength


def test_base_image_and_strength_broadcast() -> None:
    base = torch.tensor([10, 250])[:, None]
    image = torch.tensor([0, 100, 255], dtype=torch.uint8)
    got = blend(base, image, torch.tensor([[0.5], [0.25]]))
    assert got.tolist() == [[5, 55, 132], [187, 212, 251]]
