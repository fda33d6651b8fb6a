"""K-means by faiss, several seeded runs (AS3L, Secs. 4.3 and 4.4).

faiss's wheels compute on the CPU; samples that are `nearest.placed` on a GPU are clustered there by Lloyd's
steps.

AS3L clusters the same features C = 6 times: runs differ in their start alone, and what they agree on is
what it trusts.

First centers of K-means that lie apart: k-means++ (Arthur & Vassilvitskii, 2007).

AS3L (Secs. 4.3 and 4.4) leaves the start of its K-means open. ours: each center is a sample drawn with a
probability that grows with its squared distance to the centers there are. With a plain random start
several runs on the same features agree too rarely for stable cores.
"""

from dataclasses import dataclass

import faiss
import numpy as np

from usb_ext.as3l.clustering.nearest import (
    Points,
    as_array,
    cluster_means,
    nearest_center,
    part_of,
)
from usb_ext.core.arrays import FloatArray, IntArray

LEAST_SAMPLE = 20_000
PER_CENTER = 10


def spread_start(
    features: Points,
    num_centers: int,
    rng: np.random.Generator,
    taken: FloatArray | None = None,
) -> FloatArray:
    """Samples to start from, spread over the set.

    ours: they are drawn from max(20,000, 10 K) random samples, so that the start costs no more than a
    few steps of K-means also where N is in the millions.

    Args:
        features: (N, d).
        num_centers: K centers wanted in all, at most N more than taken.
        rng: source of randomness.
        taken: (G, d) centers that there are already, which come first; None for none.

    Returns:
        Centers (K, d).
    """
    count = min(len(features), max(LEAST_SAMPLE, PER_CENTER * num_centers))
    rows = np.sort(rng.choice(len(features), size=count, replace=False))
    pool = part_of(features, rows)
    samples = as_array(pool)
    centers = [] if taken is None else list(taken.astype(samples.dtype))
    if not centers:
        centers.append(samples[rng.integers(len(samples))])
    distance = nearest_center(pool, np.stack(centers))[1]
    while len(centers) < num_centers:
        centers.append(samples[_draw(distance, rng)])
        distance = np.minimum(distance, nearest_center(pool, centers[-1][None])[1])
    return np.stack(centers)


def _draw(distance: FloatArray, rng: np.random.Generator) -> int:
    """A position, likelier the larger its distance (n,); any where all are 0."""
    ladder = np.cumsum(distance)
    if ladder[-1] <= 0:
        return int(rng.integers(len(distance)))
    return int(
        np.searchsorted(ladder, rng.random() * ladder[-1], side="right").clip(0, len(distance) - 1)
    )


ITERATIONS = 25


@dataclass(frozen=True, eq=False)
class Clustering:
    """One run.

    Attributes:
        centers: (K, d).
        assignment: (N,) nearest center of each sample.
        objective: sum of squared distances to the assigned centers.
    """

    centers: FloatArray
    assignment: IntArray
    objective: float


def kmeans(
    features: Points,
    num_clusters: int,
    rng: np.random.Generator,
    iterations: int = ITERATIONS,
    points_per_center: int | None = None,
) -> Clustering:
    """One run of K-means from a spread start.

    Args:
        features: (N, d).
        num_clusters: K, 1 to N.
        rng: source of randomness.
        iterations: Lloyd steps; ours: 25, faiss's own number.
        points_per_center: ours: None trains on all samples; a number trains on a random sample of that
            many for each center, for sets of millions.

    Raises:
        ValueError: K outside 1 to N.
    """
    if not 1 <= num_clusters <= len(features):
        raise ValueError(f"{num_clusters} clusters of {len(features)} samples")
    if isinstance(features, np.ndarray):
        features = np.ascontiguousarray(features, dtype=np.float32)
    seed = int(rng.integers(2**31))
    start = spread_start(features, num_clusters, rng)
    if isinstance(features, np.ndarray):
        engine = faiss.Kmeans(
            features.shape[1],
            num_clusters,
            niter=iterations,
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=points_per_center or len(features),
        )
        engine.train(features, init_centroids=start)
        centers = np.asarray(engine.centroids)
    else:
        few = sampled(len(features), num_clusters, points_per_center, np.random.default_rng(seed))
        centers = lloyd(features if few is None else part_of(features, few), start, iterations)
    assignment, distance = nearest_center(features, centers)
    return Clustering(centers, assignment, float(distance.sum()))


def sampled(
    count: int, num_clusters: int, points_per_center: int | None, rng: np.random.Generator
) -> IntArray | None:
    """Ascending positions (n,) of a random sample of `points_per_center` a center; None for all samples."""
    if points_per_center is None or points_per_center * num_clusters >= count:
        return None
    return np.sort(rng.choice(count, size=points_per_center * num_clusters, replace=False))


def lloyd(points: Points, start: FloatArray, iterations: int) -> FloatArray:
    """Centers (K, d) after Lloyd's steps; ours: a cluster that loses all its samples keeps its center.

    Args:
        points: (N, d).
        start: (K, d) first centers.
        iterations: most steps; fewer where nothing changes any more.
    """
    centers, before = start, None
    for _ in range(iterations):
        assignment, _ = nearest_center(points, centers)
        if before is not None and np.array_equal(assignment, before):
            break
        centers, before = cluster_means(points, assignment, centers), assignment
    return centers


def kmeans_runs(
    features: Points,
    num_clusters: int,
    runs: int,
    rng: np.random.Generator,
    points_per_center: int | None = None,
) -> list[Clustering]:
    """C runs with starts of their own.

    Args:
        features: (N, d).
        num_clusters: K.
        runs: C, 6 in the paper (Sec. 5.1.2).
        rng: source of randomness; a run is fixed by it and the run's number.
        points_per_center: as in `kmeans`.
    """
    return [
        kmeans(features, num_clusters, child, points_per_center=points_per_center)
        for child in rng.spawn(runs)
    ]
