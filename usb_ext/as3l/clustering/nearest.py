"""Nearest centers and cluster sums by blocks of rows: what every clustering here is made of.

AS3L (Secs. 4.3 and 4.4) clusters all N samples dozens of times. A block of rows meets all K centers in
one matrix product, so time is linear in N and no array larger than a block by K is ever made. Samples that
are `placed` on a GPU stay there; what comes back are assignments, distances and the sums of clusters.

The k nearest other samples of each sample, exactly, with memory that is linear in N.

For USL's density and LLGC's graph (AS3L compares itself with both, Table 8). ours: exact search; its
time grows with N squared, which the two methods need and AS3L itself does not.
"""

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from usb_ext.core.arrays import FloatArray, IntArray, blocks

Points = FloatArray | torch.Tensor
"""Samples (N, d): an array, or a tensor that stays on its device."""

DEVICE_VALUES = 2**28
"""ours: values of a block on a device, a GiB in float32."""


def placed(features: FloatArray, device: torch.device | None) -> Points:
    """Samples where a clustering computes: on a CUDA device all of them in float32, else the array itself.

    Args:
        features: (N, d).
        device: of the clustering; None is the CPU.
    """
    if device is None or device.type != "cuda":
        return features
    return torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32)).to(device)


def as_array(points: Points) -> FloatArray:
    """Samples (N, d) as an array, which they may be already."""
    if isinstance(points, np.ndarray):
        return points
    found: FloatArray = points.cpu().numpy()
    return found


def rows_of(points: Points, rows: IntArray) -> FloatArray:
    """Some samples as an array, (n, d)."""
    return as_array(part_of(points, rows))


def part_of(points: Points, rows: IntArray) -> Points:
    """Some samples, (n, d), where all of them are."""
    if isinstance(points, np.ndarray):
        return points[rows]
    return points[torch.from_numpy(rows).to(points.device)]


def _beside(points: torch.Tensor, values: FloatArray) -> torch.Tensor:
    """An array as a tensor of the samples' kind on their device."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(points)


def nearest_center(features: Points, centers: FloatArray) -> tuple[IntArray, FloatArray]:
    """The nearest center of every sample; of equally near ones the first.

    Args:
        features: (N, d).
        centers: (K, d).

    Returns:
        Center of each sample, shape (N,), and the squared Euclidean distance to it, (N,) float64.
    """
    if isinstance(features, torch.Tensor):
        return _nearest_on_device(features, _beside(features, centers))
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


@torch.no_grad()
def _nearest_on_device(points: torch.Tensor, centers: torch.Tensor) -> tuple[IntArray, FloatArray]:
    lengths = centers.square().sum(1)
    assignment = torch.empty(len(points), dtype=torch.int64, device=points.device)
    distance = points.new_empty(len(points))
    for rows in blocks(len(points), max(points.shape[1], len(centers)), DEVICE_VALUES):
        part = points[rows]
        scores = torch.addmm(lengths, part, centers.T, alpha=-2)
        best = scores.argmin(1)
        assignment[rows] = best
        distance[rows] = scores.gather(1, best[:, None]).squeeze(1) + part.square().sum(1)
    return assignment.cpu().numpy(), distance.clamp(min=0).cpu().numpy().astype(np.float64)


@torch.no_grad()
def distances_to(features: Points, centers: FloatArray) -> FloatArray:
    """Squared distances of all samples to a few centers, up to rounding below 0.

    Args:
        features: (N, d).
        centers: (B, d), so few that an array (N, B) is small.

    Returns:
        Shape (N, B), in the samples' type.
    """
    if isinstance(features, np.ndarray):
        centers = centers.astype(features.dtype, copy=False)
        lengths = np.einsum("nd,nd->n", features, features)
        own = np.einsum("kd,kd->k", centers, centers)
        found: FloatArray = features @ (-2 * centers.T) + lengths[:, None] + own
        return found
    few = _beside(features, centers)
    near = features @ (-2 * few.T) + features.square().sum(1, keepdim=True) + few.square().sum(1)
    found = near.cpu().numpy()
    return found


def squared_distances(features: FloatArray, points: FloatArray) -> FloatArray:
    """Squared distance of sample i to point i: features (N, d), points (N, d), gives (N,) float64."""
    found = np.empty(len(features), dtype=np.float64)
    for rows in blocks(len(features), features.shape[1]):
        gap = features[rows] - points[rows]
        found[rows] = np.einsum("nd,nd->n", gap, gap)
    return found


def cluster_sums(
    features: Points, assignment: IntArray, num_clusters: int
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
    counts = np.bincount(assignment[assignment >= 0], minlength=num_clusters).astype(np.int64)
    if isinstance(features, torch.Tensor):
        for rows in blocks(len(features), features.shape[1], DEVICE_VALUES):
            sums += _sums_on_device(features[rows], assignment[rows], num_clusters)
        return sums, counts
    for rows in blocks(len(features), features.shape[1]):
        member = np.flatnonzero(assignment[rows] >= 0)
        ones = np.ones(len(member), dtype=features.dtype)
        cluster = assignment[rows][member]
        shape = (num_clusters, len(features[rows]))
        sums += csr_matrix((ones, (cluster, member)), shape=shape) @ features[rows]
    return sums, counts


@torch.no_grad()
def _sums_on_device(
    points: torch.Tensor, assignment: IntArray, num_clusters: int
) -> NDArray[np.float64]:
    """Sums (K, d) of a block: its samples in the order of their clusters, so that a GPU repeats every bit."""
    member = np.flatnonzero(assignment >= 0)
    order = member[np.argsort(assignment[member], kind="stable")]
    counts = np.bincount(assignment[member], minlength=num_clusters)
    sorted_points = points[torch.from_numpy(order).to(points.device)]
    lengths = torch.from_numpy(counts).to(points.device)
    found = torch.segment_reduce(sorted_points, "sum", lengths=lengths, axis=0, initial=0)
    return found.cpu().numpy().astype(np.float64)


def cluster_means(features: Points, assignment: IntArray, former: FloatArray) -> FloatArray:
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
