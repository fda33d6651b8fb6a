"""AS3L's choice of the samples to label: nearest to the centers of stable cores (Sec. 4.4).

Which cluster of one run is which cluster of another (AS3L, Sec. 4.4; the method is open there).

The numbers of clusters are arbitrary in every run. ours: the Hungarian method finds the renumbering
under which the two runs put most samples into the same cluster.

Stable cores: samples that every run of K-means puts into the same cluster (AS3L, Sec. 4.4).
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from usb_ext.as3l.clustering.kmeans import kmeans_runs
from usb_ext.as3l.clustering.nearest import Points, cluster_means, distances_to, placed
from usb_ext.core.arrays import FloatArray, IntArray
from usb_ext.settings.as3l import RUNS

AT_ONCE = 64
"""ours: centers that all samples meet in one matrix product."""


def alignment(reference: IntArray, other: IntArray, num_clusters: int) -> IntArray:
    """The renumbering of `other` that agrees with `reference` most.

    Args:
        reference: (N,) clusters of the first run, 0 to K - 1.
        other: (N,) clusters of another run of the same samples.
        num_clusters: K.

    Returns:
        New number of each cluster of `other`, shape (K,), a permutation.
    """
    pairs = np.bincount(other * num_clusters + reference, minlength=num_clusters**2)
    shared = pairs.reshape(num_clusters, num_clusters)
    old, new = linear_sum_assignment(shared, maximize=True)
    renumbered = np.empty(num_clusters, dtype=np.int64)
    renumbered[old] = new
    return renumbered


def aligned(assignments: list[IntArray], num_clusters: int) -> IntArray:
    """All runs in the numbers of the first.

    Args:
        assignments: C arrays of shape (N,).
        num_clusters: K.

    Returns:
        Shape (C, N).
    """
    first = assignments[0]
    others = [alignment(first, a, num_clusters)[a] for a in assignments[1:]]
    return np.stack([first, *others])


def stable_cores(assignments: IntArray) -> IntArray:
    """The core that each sample belongs to.

    Args:
        assignments: (C, N) clusters of each run, in one numbering (`alignment.aligned`).

    Returns:
        Shape (N,): the cluster on which all C runs agree, or -1.
    """
    agree = (assignments == assignments[0]).all(axis=0)
    return np.where(agree, assignments[0], -1)


def core_centers(features: Points, cores: IntArray, fallback: FloatArray) -> FloatArray:
    """Mean of each core. ours: an empty core falls back to the first run's center.

    Args:
        features: (N, d).
        cores: (N,) core of each sample, -1 for none.
        fallback: (K, d) centers of the first run.

    Returns:
        Centers (K, d).
    """
    return cluster_means(features, cores, fallback)


def select_as3l(
    features: FloatArray,
    budget: int,
    rng: np.random.Generator,
    runs: int = RUNS,
    points_per_center: int | None = None,
    device: torch.device | None = None,
) -> tuple[IntArray, IntArray]:
    """One sample for each of `budget` clusters of the fine-tuned features.

    C runs of K-means with K = budget, brought to one numbering; the samples on which they agree are the
    cores; the sample nearest to each core's mean is chosen. ours: larger cores choose first, and a
    sample that is taken leaves the next nearest.

    Args:
        features: (N, d), fine-tuned.
        budget: labels to ask for, 1 to N.
        rng: source of randomness.
        runs: C, 6 in the paper (Sec. 5.1.2).
        points_per_center: as in `kmeans.kmeans`.
        device: where samples are clustered, as in `nearest.placed`.

    Returns:
        Positions of the chosen samples in the order chosen, and the cluster each stands for, both of
        shape (budget,).
    """
    points = placed(features, device)
    clusterings = kmeans_runs(points, budget, runs, rng, points_per_center)
    cores = stable_cores(aligned([c.assignment for c in clusterings], budget))
    centers = core_centers(points, cores, clusterings[0].centers)
    sizes = np.bincount(cores[cores >= 0], minlength=budget)
    order = np.argsort(-sizes, kind="stable")
    return nearest_free(points, centers[order]), order.astype(np.int64)


def nearest_free(features: Points, centers: FloatArray) -> IntArray:
    """The sample nearest to each center, none twice; earlier centers choose first.

    Args:
        features: (N, d).
        centers: (K, d), K at most N.

    Returns:
        Positions, shape (K,).
    """
    chosen = np.empty(len(centers), dtype=np.int64)
    for start in range(0, len(centers), AT_ONCE):
        near = distances_to(features, centers[start : start + AT_ONCE])
        for number, distance in enumerate(near.T, start):
            distance[chosen[:number]] = np.inf
            chosen[number] = distance.argmin()
    return chosen
