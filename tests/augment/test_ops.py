"""The six table operations against USB's on Pillow images, bit for bit (LayerMatch, Table 7)."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from support.pillow import DEVICES, SIZES, assert_same, each_with_each, pictures

from usb_ext.augment.draws import Op
from usb_ext.augment.ops import (
    autocontrast_tables,
    contrast_tables,
    equalize_tables,
    fixed_tables,
    lookup,
)

FACTORS = [0.0, 0.05, 0.3, 0.5, 2 / 3, 0.95, 1.0]
FIXED = {
    Op.BRIGHTNESS: FACTORS,
    Op.POSTERIZE: [0.0, 0.5, 1.0, 2.9, 4.0, math.nextafter(5, 0), 5.0, 6.5, 7.999, 8.0],
    Op.SOLARIZE: [0.0, 0.5, 1.0, 99.5, 100.0, math.nextafter(100, 101), 128.0, 255.0, 255.5, 256.0],
}


def renamed(images: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    tables = tables.expand(-1, 3, -1)
    return lookup(tables, images.flatten(2).long()).view(images.shape)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", FIXED)
def test_those_that_look_at_the_strength_alone(op: Op, device: str) -> None:
    images, magnitudes = each_with_each(pictures(16, 17), FIXED[op])
    tables = fixed_tables(torch.full(magnitudes.shape, int(op)), magnitudes)
    got = renamed(images.to(device), tables[:, None].to(device))
    assert_same(got, images, op, magnitudes)


def test_brightness_where_the_product_is_nearly_whole() -> None:
    """0.29 * 100 is below 29 in 64 bits and 29 in Pillow's 32."""
    ramp = torch.arange(256, dtype=torch.uint8).expand(1, 3, 2, 256)
    images, magnitudes = each_with_each(ramp, [k / d for d in (100, 17, 255) for k in range(d)])
    tables = fixed_tables(torch.full(magnitudes.shape, int(Op.BRIGHTNESS)), magnitudes)
    assert tables[29, 100] == 29 and int(0.29 * 100) == 28
    assert_same(renamed(images, tables[:, None]), images, Op.BRIGHTNESS, magnitudes)


def test_the_three_mixed_and_none() -> None:
    ops = torch.tensor([Op.SOLARIZE, Op.BRIGHTNESS, Op.POSTERIZE, Op.BRIGHTNESS])
    magnitudes = torch.tensor([17.0, 0.4, 4.2, 0.9], dtype=torch.float64)
    mixed = fixed_tables(ops, magnitudes)
    for i in range(4):
        assert torch.equal(mixed[i : i + 1], fixed_tables(ops[i : i + 1], magnitudes[i : i + 1]))
    assert fixed_tables(ops[:0], magnitudes[:0]).shape == (0, 256)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_contrast(device: str, size: tuple[int, int]) -> None:
    images, magnitudes = each_with_each(pictures(*size), FACTORS)
    there = images.to(device)
    got = renamed(there, contrast_tables(there, magnitudes.float().to(device)))
    assert_same(got, images, Op.CONTRAST, magnitudes)


@pytest.mark.parametrize("device", DEVICES)
def test_contrast_where_the_mean_lies_on_a_half(device: str) -> None:
    images = torch.zeros(256, 3, 8, 8, dtype=torch.uint8)
    images[:, :, :4] = torch.arange(256, dtype=torch.uint8)[:, None, None, None]
    there = images.to(device)
    got = renamed(there, contrast_tables(there, torch.zeros(256, device=device)))
    assert_same(got, images, Op.CONTRAST, torch.zeros(256))
    assert got[1, 0, 0, 0] == 1  # a mean of 0.5 goes up


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_autocontrast(device: str, size: tuple[int, int]) -> None:
    images = torch.cat([pictures(*size, seed=s) for s in range(3)])
    there = images.to(device)
    got = renamed(there, autocontrast_tables(there))
    assert_same(got, images, Op.AUTO_CONTRAST, torch.zeros(len(images)))


@pytest.mark.parametrize("device", DEVICES)
def test_autocontrast_of_every_pair_of_ends(device: str) -> None:
    """Every darkest and brightest level with every level between: 32,896 pairs, three an image."""
    low, high = torch.triu_indices(256, 256)
    ramp = torch.arange(256)
    channels = torch.minimum(torch.maximum(ramp, low[:, None]), high[:, None]).to(torch.uint8)
    channels = torch.cat((channels, channels[: -len(channels) % 3]))
    images = channels.view(-1, 3, 1, 256)
    there = images.to(device)
    got = renamed(there, autocontrast_tables(there)).cpu().permute(0, 2, 3, 1).numpy()
    source = images.permute(0, 2, 3, 1).contiguous().numpy()
    for mine, image in zip(got, source, strict=True):
        assert np.array_equal(mine, np.array(ImageOps.autocontrast(Image.fromarray(image))))


@pytest.mark.parametrize("size", [*SIZES, (1, 255), (1, 256), (1, 257), (16, 32)], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_equalize(device: str, size: tuple[int, int]) -> None:
    images = torch.cat([pictures(*size, seed=s) for s in range(3)])
    there = images.to(device)
    got = renamed(there, equalize_tables(there.flatten(2).long()))
    assert_same(got, images, Op.EQUALIZE, torch.zeros(len(images)))


def test_equalize_of_pillow_overflows_and_is_clipped() -> None:
    """509 pixels below the top level make steps of one: the last entry would be 509."""
    channel = torch.zeros(510, dtype=torch.uint8)
    channel[-1] = 255
    images = channel.expand(1, 3, 1, 510).contiguous()
    got = renamed(images, equalize_tables(images.flatten(2).long()))
    assert got[0, 0, 0, -1] == 255
    assert_same(got, images, Op.EQUALIZE, torch.zeros(1))
