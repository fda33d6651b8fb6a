"""K-means by faiss, several seeded runs (AS3L, Secs. 4.3 and 4.4).

AS3L clusters the same features C = 6 times: runs differ in their start alone, and what they agree on is
what it trusts.
"""

from dataclasses import dataclass

import faiss
import numpy as np

from usb_ext.as3l.clustering.nearest import FloatArray, IntArray, nearest_center
from usb_ext.functional.spread_start import spread_start

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
    features: FloatArray,
    num_clusters: int,
    rng: np.random.Generator,
    iterations: int = ITERATIONS,
    points_per_center: int | None = None,
) -> Clustering:
    """One run of K-means from a spread start.

    Args:
        features: (N, d) float32, contiguous.
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
    features = np.ascontiguousarray(features, dtype=np.float32)
    engine = faiss.Kmeans(
        features.shape[1],
        num_clusters,
        niter=iterations,
        seed=int(rng.integers(2**31)),
        min_points_per_centroid=1,
        max_points_per_centroid=points_per_center or len(features),
    )
    engine.train(features, init_centroids=spread_start(features, num_clusters, rng))
    centers = np.asarray(engine.centroids)
    assignment, distance = nearest_center(features, centers)
    return Clustering(centers, assignment, float(distance.sum()))


def kmeans_runs(
    features: FloatArray,
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
