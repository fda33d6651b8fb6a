"""Passes by blocks of rows, and vectors of length 1."""

import numpy as np
import pytest

from usb_ext.core import arrays
from usb_ext.core.arrays import blocks, unit_length


@pytest.mark.parametrize(("rows", "width"), [(0, 4), (1, 4), (7, 2), (5, 100)])
def test_blocks_cover_every_row_once(
    monkeypatch: pytest.MonkeyPatch, rows: int, width: int
) -> None:
    monkeypatch.setattr(arrays, "BLOCK_VALUES", 6)
    seen = [i for part in blocks(rows, width) for i in range(rows)[part]]
    assert seen == list(range(rows))


def test_unit_length_keeps_directions_and_zeros() -> None:
    points = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]], dtype=np.float32)
    scaled = unit_length(points)
    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0, 0], [0, -1]], rtol=1e-6)
    assert scaled.dtype == np.float32
