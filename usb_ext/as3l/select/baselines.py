"""The rivals of AS3L's choice in its Tables 2 and 6 to 8: random, stratified, K-medoids, coreset-greedy.

K-medoids: the samples that best stand for all others. The sum of squared distances of a cluster's
samples to one of them, m, is their sum to the mean plus n || m - mean ||^2. So the best medoid of a
cluster is its sample nearest to the mean, and a step of the alternating method (Park & Jun, 2009) costs
as little as one of K-means.

Coreset-greedy: always the sample farthest from those chosen (Sener & Savarese, 2018, k-center greedy);
the largest distance of a sample to its nearest chosen one is at most twice the smallest possible
(Gonzalez, 1985).
"""

import numpy as np

from usb_ext.as3l.clustering.kmeans import spread_start
from usb_ext.as3l.clustering.nearest import cluster_means, nearest_center, squared_distances
from usb_ext.core.arrays import FloatArray, IntArray

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


def select_random(num_samples: int, budget: int, rng: np.random.Generator) -> IntArray:
    """`budget` of N samples, each set equally likely: positions of shape (budget,).

    Args:
        num_samples: N.
        budget: 1 to N.
        rng: source of randomness.
    """
    return rng.permutation(num_samples)[:budget].astype(np.int64)


def select_stratified(targets: IntArray, budget: int, rng: np.random.Generator) -> IntArray:
    """As many of each class as possible, drawn at random within the class.

    It needs every label beforehand (AS3L, Sec. 5.1.3, calls it an unfair baseline). Classes take turns
    in an order of chance, so counts differ by at most one unless a class runs out.

    Args:
        targets: (N,) class of each sample; -1 (unknown) is never chosen.
        budget: 1 to the number of samples with a known class.
        rng: source of randomness.

    Returns:
        Positions, shape (budget,).
    """
    order = rng.permutation(len(targets))
    order = order[targets[order] >= 0]
    classes = targets[order]
    turn = np.empty(len(order), dtype=np.int64)
    place = np.empty(int(targets.max()) + 1, dtype=np.int64)
    place[rng.permutation(len(place))] = np.arange(len(place))
    for c in np.unique(classes):
        turn[classes == c] = np.arange((classes == c).sum())
    return order[np.lexsort((place[classes], turn))][:budget].astype(np.int64)


def select_coreset(features: FloatArray, budget: int, rng: np.random.Generator) -> IntArray:
    """Positions of shape (budget,), in the order chosen.

    ours: the first sample is drawn at random. Chosen samples are never the farthest, also where all
    that is left coincides with them.

    Args:
        features: (N, d).
        budget: 1 to N.
        rng: draws the first sample.
    """
    chosen = np.empty(budget, dtype=np.int64)
    chosen[0] = rng.integers(len(features))
    distance = np.full(len(features), np.inf)
    for number in range(1, budget):
        last = features[chosen[number - 1]][None]
        distance = np.minimum(distance, nearest_center(features, last)[1])
        distance[chosen[:number]] = -1.0
        chosen[number] = distance.argmax()
    return chosen
