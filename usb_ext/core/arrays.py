"""Arrays of numbers: their types, passes over them by blocks of rows, vectors of length 1."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


IntArray = NDArray[np.int64]


BLOCK_VALUES = 2**20


def blocks(num_rows: int, width: int, values: int | None = None) -> Iterator[slice]:
    """Slices that cover `num_rows` rows, each of about so many values.

    Args:
        num_rows: N.
        width: values a row stands for, >= 1.
        values: of a block; None for about a million.
    """
    rows = max(1, (values or BLOCK_VALUES) // width)
    for start in range(0, num_rows, rows):
        yield slice(start, min(start + rows, num_rows))


def unit_length(features: FloatArray) -> FloatArray:
    """Every sample divided by its length: features (N, d) to (N, d); a zero vector stays one."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.where(lengths > 0, lengths, 1)).astype(features.dtype)
