"""The k nearest other samples of each sample, exactly, with memory that is linear in N.

For USL's density and LLGC's graph (AS3L compares itself with both, Table 8). ours: exact search; its
time grows with N squared, which the two methods need and AS3L itself does not.
"""

import faiss
import numpy as np

from usb_ext.as3l.clustering.nearest import FloatArray, IntArray

QUERIES = 4096


def neighbours(
    features: FloatArray, k: int, inner_product: bool = False
) -> tuple[IntArray, FloatArray]:
    """The k nearest other samples.

    Args:
        features: (N, d).
        k: 1 to N - 1.
        inner_product: largest inner product instead of smallest squared distance.

    Returns:
        Positions (N, k), nearest first, and the squared distances or inner products (N, k).

    Raises:
        ValueError: k outside 1 to N - 1.
    """
    if not 1 <= k < len(features):
        raise ValueError(f"{k} neighbours among {len(features)} samples")
    points = np.ascontiguousarray(features, dtype=np.float32)
    kind = faiss.IndexFlatIP if inner_product else faiss.IndexFlatL2
    index = kind(points.shape[1])
    index.add(points)
    found = np.empty((len(points), k), dtype=np.int64)
    values = np.empty((len(points), k), dtype=np.float32)
    for start in range(0, len(points), QUERIES):
        rows = slice(start, start + QUERIES)
        measure, position = index.search(points[rows], k + 1)
        found[rows], values[rows] = _without_self(position, measure, start)
    return found, values


def _without_self(
    position: IntArray, measure: FloatArray, start: int
) -> tuple[IntArray, FloatArray]:
    """Drop the sample itself from its row of (n, k + 1), or the last one where it is not there."""
    own = position == np.arange(start, start + len(position))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(position), position.shape[1] - 1)
    return position[~own].reshape(shape), measure[~own].reshape(shape)
