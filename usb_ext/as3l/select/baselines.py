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
    features: FloatArray,
    budget: int,
    rng: np.random.Generator,
    starts: int = STARTS,
    given: IntArray | None = None,
) -> tuple[IntArray, IntArray]:
    """The best of several local optima of the sum of squared distances to the nearest medoid.

    ours: squared Euclidean distance, which alone keeps the cost linear in N, and 6 starts.

    Args:
        features: (N, d).
        budget: K, 1 to N; with G given samples 1 to N - G.
        rng: source of randomness.
        starts: how often to start.
        given: (G,) distinct positions that are medoids already and stay where they are; none of them is
            chosen again.

    Returns:
        Positions of the new medoids, and the cluster of each (G + its number), both of shape (budget,).
    """
    fixed = np.zeros(0, dtype=np.int64) if given is None else given
    found = [_local_optimum(features, budget, child, fixed) for child in rng.spawn(starts)]
    medoids = min(found, key=lambda pair: pair[0])[1]
    return medoids[len(fixed) :], np.arange(len(fixed), len(medoids), dtype=np.int64)


def _local_optimum(
    features: FloatArray, budget: int, rng: np.random.Generator, fixed: IntArray
) -> tuple[float, IntArray]:
    """Objective and medoids (G + K,), the fixed ones first, where alternating steps change nothing more."""
    count = len(fixed) + budget
    centers = spread_start(features, count, rng, features[fixed] if len(fixed) else None)
    medoids = members_nearest(features, centers, fixed)
    for _ in range(ITERATIONS):
        assignment, distance = nearest_center(features, features[medoids])
        assignment[medoids] = np.arange(count)
        moved = _best_members(features, assignment, medoids)
        moved[: len(fixed)] = fixed
        if np.array_equal(moved, medoids):
            break
        medoids = moved
    return float(distance.sum()), medoids


def members_nearest(
    features: FloatArray, centers: FloatArray, fixed: IntArray | None = None
) -> IntArray:
    """Distinct samples near to centers (K, d): positions of shape (K,), those of the first centers given."""
    chosen: list[int] = [] if fixed is None else fixed.tolist()
    for center in centers[len(chosen) :]:
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


def select_coreset(
    features: FloatArray, budget: int, rng: np.random.Generator, given: IntArray | None = None
) -> IntArray:
    """Positions of shape (budget,), in the order chosen.

    ours: the first sample is drawn at random, unless some are given. Chosen samples are never the farthest,
    also where all that is left coincides with them.

    Args:
        features: (N, d).
        budget: 1 to N; with G given samples 1 to N - G.
        rng: draws the first sample.
        given: (G,) distinct positions that are chosen already and not chosen again.
    """
    chosen = [int(rng.integers(len(features)))] if given is None else given.tolist()
    before = 0 if given is None else len(chosen)
    distance = nearest_center(features, features[chosen])[1]
    while len(chosen) < before + budget:
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
        last = features[chosen[-1]][None]
        distance = np.minimum(distance, nearest_center(features, last)[1])
    return np.array(chosen[before:], dtype=np.int64)
