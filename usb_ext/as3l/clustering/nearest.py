"""Nearest centers and cluster sums by blocks of rows: what every clustering here is made of.

AS3L (Secs. 4.3 and 4.4) clusters all N samples dozens of times. A block of rows meets all K centers in
one matrix product, so time is linear in N and no array larger than a block by K is ever made.

The k nearest other samples of each sample, exactly, with memory that is linear in N.

For USL's density and LLGC's graph (AS3L compares itself with both, Table 8). ours: exact search; its
time grows with N squared, which the two methods need and AS3L itself does not.
"""

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from usb_ext.core.arrays import FloatArray, IntArray, blocks


def nearest_center(features: FloatArray, centers: FloatArray) -> tuple[IntArray, FloatArray]:
    """The nearest center of every sample; of equally near ones the first.

    Args:
        features: (N, d).
        centers: (K, d).

    Returns:
        Center of each sample, shape (N,), and the squared Euclidean distance to it, (N,) float64.
    """
    centers = centers.astype(features.dtype, copy=False)
    lengths = np.einsum("kd,kd->k", centers, centers)
    assignment = np.empty(len(features), dtype=np.int64)
    distance = np.empty(len(features), dtype=np.float64)
    for rows in blocks(len(features), max(features.shape[1], len(centers))):
        part = features[rows]
        scores = part @ (-2 * centers.T)
        scores += lengths
        best = scores.argmin(axis=1)
        assignment[rows] = best
        own = np.einsum("nd,nd->n", part, part)
        distance[rows] = scores[np.arange(len(best)), best] + own
    return assignment, np.maximum(distance, 0.0)


def squared_distances(features: FloatArray, points: FloatArray) -> FloatArray:
    """Squared distance of sample i to point i: features (N, d), points (N, d), gives (N,) float64."""
    found = np.empty(len(features), dtype=np.float64)
    for rows in blocks(len(features), features.shape[1]):
        gap = features[rows] - points[rows]
        found[rows] = np.einsum("nd,nd->n", gap, gap)
    return found


def cluster_sums(
    features: FloatArray, assignment: IntArray, num_clusters: int
) -> tuple[NDArray[np.float64], IntArray]:
    """Sum and number of the samples of each cluster.

    Args:
        features: (N, d).
        assignment: (N,) cluster of each sample; samples with -1 belong to none.
        num_clusters: K.

    Returns:
        Sums (K, d) in float64, and counts (K,).
    """
    sums = np.zeros((num_clusters, features.shape[1]), dtype=np.float64)
    for rows in blocks(len(features), features.shape[1]):
        member = np.flatnonzero(assignment[rows] >= 0)
        ones = np.ones(len(member), dtype=features.dtype)
        cluster = assignment[rows][member]
        shape = (num_clusters, len(features[rows]))
        sums += csr_matrix((ones, (cluster, member)), shape=shape) @ features[rows]
    counts = np.bincount(assignment[assignment >= 0], minlength=num_clusters).astype(np.int64)
    return sums, counts


def cluster_means(features: FloatArray, assignment: IntArray, former: FloatArray) -> FloatArray:
    """Mean of each cluster's samples; an empty cluster keeps its former center.

    Args:
        features: (N, d).
        assignment: (N,) cluster of each sample, -1 for none.
        former: (K, d) centers that empty clusters keep.

    Returns:
        Centers (K, d), in the dtype of `former`.
    """
    sums, counts = cluster_sums(features, assignment, len(former))
    means = sums / np.maximum(counts, 1)[:, None]
    return np.where(counts[:, None] > 0, means, former).astype(former.dtype)


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
