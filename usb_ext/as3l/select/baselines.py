"""K-medoids: the samples that best stand for all others (AS3L, Tables 6 to 8).

The sum of squared distances of a cluster's samples to one of them, m, is their sum to the mean plus
n || m - mean ||^2. So the best medoid of a cluster is its sample nearest to the mean, and a step of the
alternating method (Park & Jun, 2009) costs as little as one of K-means.
"""

import numpy as np

from usb_ext.as3l.clustering.nearest import (
    FloatArray,
    IntArray,
    cluster_means,
    nearest_center,
    squared_distances,
)
from usb_ext.functional.spread_start import spread_start

STARTS = 6
ITERATIONS = 100


def select_kmedoids(
    features: FloatArray, budget: int, rng: np.random.Generator, starts: int = STARTS
) -> tuple[IntArray, IntArray]:
    """The best of several local optima of the sum of squared distances to the nearest medoid.

    ours: squared Euclidean distance, which alone keeps the cost linear in N, and 6 starts.

    Args:
        features: (N, d).
        budget: K, 1 to N.
        rng: source of randomness.
        starts: how often to start.

    Returns:
        Positions of the medoids, and the cluster of each (its number), both of shape (budget,).
    """
    found = [_local_optimum(features, budget, child) for child in rng.spawn(starts)]
    medoids = min(found, key=lambda pair: pair[0])[1]
    return medoids, np.arange(budget, dtype=np.int64)


def _local_optimum(
    features: FloatArray, budget: int, rng: np.random.Generator
) -> tuple[float, IntArray]:
    """Objective and medoids (K,) where alternating steps change nothing more."""
    medoids = members_nearest(features, spread_start(features, budget, rng))
    for _ in range(ITERATIONS):
        assignment, distance = nearest_center(features, features[medoids])
        assignment[medoids] = np.arange(budget)
        moved = _best_members(features, assignment, medoids)
        if np.array_equal(moved, medoids):
            break
        medoids = moved
    return float(distance.sum()), medoids


def members_nearest(features: FloatArray, centers: FloatArray) -> IntArray:
    """Distinct samples near to centers (K, d): positions of shape (K,)."""
    chosen: list[int] = []
    for center in centers:
        distance = squared_distances(features, np.broadcast_to(center, features.shape))
        distance[chosen] = np.inf
        chosen.append(int(distance.argmin()))
    return np.array(chosen, dtype=np.int64)


def _best_members(features: FloatArray, assignment: IntArray, medoids: IntArray) -> IntArray:
    """The sample of each cluster that is nearest to the cluster's mean; ties keep the medoid."""
    means = cluster_means(features, assignment, features[medoids])
    distance = squared_distances(features, means[assignment])
    distance[medoids] = np.nextafter(distance[medoids], -1.0)
    order = np.lexsort((distance, assignment))
    _, first = np.unique(assignment[order], return_index=True)
    return order[first].astype(np.int64)
