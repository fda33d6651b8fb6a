"""Colour operations of a batch against torchvision's on each image, and against colorsys."""

import colorsys

import pytest
import torch
from torchvision.transforms import functional as tv

from usb_ext.augment.self_supervised import (
    BRIGHTNESS,
    CONTRAST,
    HUE,
    NEUTRAL,
    SATURATION,
    adjust,
    luma,
    shift_hue,
    to_grey,
)

TORCHVISION = {
    BRIGHTNESS: tv.adjust_brightness,
    CONTRAST: tv.adjust_contrast,
    SATURATION: tv.adjust_saturation,
    HUE: tv.adjust_hue,
}
FACTORS = {op: [0.0, 0.3, 0.9, 1.0, 1.4, 2.0] for op in (BRIGHTNESS, CONTRAST, SATURATION)}
FACTORS[HUE] = [-0.5, -0.1, 0.0, 0.07, 0.33, 0.5]


def images() -> torch.Tensor:
    """(6, 3, 9, 9): noise, grey, black, white, and two equal channels, where hue has corners."""
    made = torch.rand(6, 3, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made[1] = made[1, :1]
    made[2], made[3] = 0, 1
    made[4, 1] = made[4, 0]
    made[5, 2] = made[5, 1]
    return made


@pytest.mark.parametrize("op", TORCHVISION)
def test_each_image_is_torchvisions(op: int) -> None:
    factors = torch.tensor(FACTORS[op], dtype=torch.float64)
    for shift in range(len(factors)):
        turned = factors.roll(shift)
        made = adjust(images(), op, turned)
        for image, factor, got in zip(images(), turned.tolist(), made, strict=True):
            wanted = TORCHVISION[op](image, factor)
            torch.testing.assert_close(got, wanted, rtol=0, atol=2e-6)


def test_hue_is_that_of_the_standard_library() -> None:
    pixels = torch.rand(50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shift = torch.linspace(-0.5, 0.5, 50, dtype=torch.float64)
    made = shift_hue(pixels[:, :, None, None], shift)[:, :, 0, 0]
    for pixel, turn, got in zip(pixels.tolist(), shift.tolist(), made.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        wanted = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
        assert got == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("op", range(4))
def test_a_neutral_factor_changes_nothing(op: int) -> None:
    made = adjust(images(), op, torch.full((6,), NEUTRAL[op], dtype=torch.float64))
    torch.testing.assert_close(made, images(), rtol=0, atol=1e-12)


def test_grey_is_torchvisions_and_only_where_chosen() -> None:
    chosen = torch.tensor([True, False, True, False, True, False])
    made = to_grey(images(), chosen)
    for image, grey, got in zip(images(), chosen.tolist(), made, strict=True):
        wanted = tv.rgb_to_grayscale(image, num_output_channels=3) if grey else image
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
    assert luma(images()).shape == (6, 1, 9, 9)
