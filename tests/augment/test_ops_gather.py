"""Picking, looking up and counting against loops over single pixels (LayerMatch, Table 7)."""

import pytest
import torch
from support.pillow import DEVICES

from usb_ext.augment.ops import gather_pixels, histograms, lookup

M, C, H, W = 5, 3, 4, 6


def levels(high: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_pixels_are_those_of_the_index(kind: torch.dtype, device: str) -> None:
    images, index = levels(256, M, C, H, W).to(torch.uint8), levels(H * W, M, 2, 7, seed=1)
    got = gather_pixels(images.to(device), index.to(kind).to(device)).cpu()
    assert got.shape == (M, C, 2, 7) and got.dtype == torch.uint8
    for m in range(M):
        for c in range(C):
            for a in range(2):
                for b in range(7):
                    row, column = divmod(index[m, a, b].item(), W)
                    assert got[m, c, a, b] == images[m, c, row, column]


@pytest.mark.parametrize("device", DEVICES)
def test_each_channel_has_its_own_table(device: str) -> None:
    pixels, tables = levels(256, M, C, H * W), levels(256, M, C, 256, seed=1).to(torch.uint8)
    got = lookup(tables.to(device), pixels.to(device)).cpu()
    for m in range(M):
        for c in range(C):
            assert got[m, c].tolist() == [tables[m, c, v].item() for v in pixels[m, c].tolist()]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("high", [1, 4, 256])
def test_histograms_count(high: int, device: str) -> None:
    pixels = levels(high, M, C, 100)
    got = histograms(pixels.to(device)).cpu()
    assert got.dtype == torch.int32
    for m in range(M):
        for c in range(C):
            row = pixels[m, c].tolist()
            assert got[m, c].tolist() == [row.count(v) for v in range(256)]
