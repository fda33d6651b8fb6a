"""Rotate, Shear and Translate against USB's on Pillow images, bit for bit (LayerMatch, Table 7)."""

import math

import pytest
import torch
from support.pillow import DEVICES, SIZES, assert_same, each_with_each, pictures

from usb_ext.augment.draws import ALLOWED, DRAWN, Op
from usb_ext.augment.geometry import MAX_SIDE, affine_maps, resample, source_lines

GEOMETRY = [Op.ROTATE, Op.SHEAR_X, Op.SHEAR_Y, Op.TRANSLATE_X, Op.TRANSLATE_Y]
TURNS = [
    0.0,
    -0.0,
    1e-300,
    -1e-20,
    1e-14,
    45.0,
    *(s * a for s in (1, -1) for a in (90, 180, 270, 360)),
]
UNIT = 2.0**-16


def special(op: Op, side: int) -> list[float]:
    """Ends of the ranges, and what lies on the edge between two pixels or two fixed-point numbers."""
    found = [*DRAWN[op], *ALLOWED[op], 0.0, 0.1, -0.1]
    if op == Op.ROTATE:
        return found + TURNS
    if op in (Op.SHEAR_X, Op.SHEAR_Y):  # half a unit of the fixed-point numbers: rounded up
        edges = [(k + 0.5) * UNIT for k in (-9830, -1, 0, 3, 4095, 9830)] + [0.25, -0.25, 0.5]
    else:  # the centre of a pixel falls between two pixels
        edges = [(k + 0.5) / side for k in (-2, -1, 0, 1, 2)] + [1 / side, -1 / side]
    around = [math.nextafter(e, s) for e in edges for s in (-2, 2)]
    return found + edges + around


def moved(images: torch.Tensor, op: Op, magnitudes: torch.Tensor, device: str) -> torch.Tensor:
    lines = source_lines(torch.full(magnitudes.shape, int(op)), magnitudes, *images.shape[2:])
    assert lines.dtype == torch.int32
    return resample(images.to(device), lines.to(device))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("op", GEOMETRY)
@pytest.mark.parametrize("device", DEVICES)
def test_at_the_ends_and_edges(device: str, op: Op, size: tuple[int, int]) -> None:
    side = size[0] if op == Op.TRANSLATE_Y else size[1]
    images, magnitudes = each_with_each(pictures(*size)[[0, 5, 20]], special(op, side))
    assert_same(moved(images, op, magnitudes, device), images, op, magnitudes)


@pytest.mark.parametrize("op", GEOMETRY)
@pytest.mark.parametrize("device", DEVICES)
def test_at_random_over_the_allowed_range(device: str, op: Op) -> None:
    generator = torch.Generator().manual_seed(int(op))
    for low, high in (DRAWN[op], ALLOWED[op]):
        for size in SIZES:
            uniform = torch.rand(100, generator=generator, dtype=torch.float64)
            magnitudes = low + (high - low) * uniform
            images = pictures(*size)[20:].expand(100, -1, -1, -1).contiguous()
            assert_same(moved(images, op, magnitudes, device), images, op, magnitudes)


def test_the_sum_of_ones_is_rounded_as_in_pillow() -> None:
    """Just below a whole number the fraction vanishes once the position has grown: a pixel is skipped.

    Where it vanishes depends on the roundings on the way, not on the last one alone: 2^-50 + 2^-51
    below is rounded to 2^-50 between 4 and 8, then, a tie, to the whole number between 8 and 16.
    """
    below = torch.arange(1, 9, dtype=torch.float64) * 2.0**-51
    magnitudes = (-3.5 - below) / 32
    images = pictures(33, 32)[20:].expand(8, -1, -1, -1).contiguous()
    got = moved(images, Op.TRANSLATE_X, magnitudes, "cpu")
    assert 2 in got[2, 1, 0, 4:].int().diff().tolist()
    assert_same(got, images, Op.TRANSLATE_X, magnitudes)


def test_the_operations_mixed() -> None:
    ops = torch.tensor([*GEOMETRY, *reversed(GEOMETRY)])
    magnitudes = torch.linspace(-0.3, 0.3, len(ops), dtype=torch.float64)
    images = pictures(9, 12)[: len(ops)]
    got = resample(images, source_lines(ops, magnitudes, 9, 12))
    for i, op in enumerate(ops.tolist()):
        assert_same(got[i : i + 1], images[i : i + 1], op, magnitudes[i : i + 1])
    none = source_lines(ops[:0], magnitudes[:0], 9, 12)
    assert none.shape == (0, 42)
    assert resample(images[:0], none).shape == (0, 3, 9, 12)


def test_a_quarter_turn_by_hand() -> None:
    """A turn by 90 degrees reads column y, from the right: x' = W - y, y' = x in a square of side W."""
    got = affine_maps(torch.tensor([Op.ROTATE]), torch.tensor([90.0]).double(), 4, 4)
    assert got.tolist() == [[0.0, -1.0, 4.0, 1.0, 0.0, 0.0]]


def test_a_side_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{MAX_SIDE + 1} x 8 pixels; at most {MAX_SIDE}"):
        source_lines(torch.tensor([Op.ROTATE]), torch.zeros(1).double(), MAX_SIDE + 1, 8)
