"""USL: one dense sample a cluster, away from those of other clusters (AS3L, Table 8).

Wang, Lian & Yu, Unsupervised Selective Labeling (2022). Density is 1 over the mean squared distance to
the k nearest samples. In rounds, every cluster chooses argmax(density - w r); then r moves towards
sum_j 1 / dist(i, j)^(2 alpha) over the samples j that other clusters have chosen.
"""

from dataclasses import dataclass

import numpy as np

from usb_ext.as3l.clustering.kmeans import kmeans
from usb_ext.as3l.clustering.nearest import neighbours
from usb_ext.core.arrays import FloatArray, IntArray, blocks


@dataclass(frozen=True)
class UslNumbers:
    """USL's numbers, as its authors' code has them for CIFAR-10.

    Attributes:
        neighbours: k of the density; at most N - 1 are used.
        weight: w, 0.5.
        momentum: share of the old r that stays, 0.9.
        rounds: 10.
        power: alpha of the squared distance, 0.5.
        horizon: squared distance from which on a choice counts no more; None for no limit.
    """

    neighbours: int = 400
    weight: float = 0.5
    momentum: float = 0.9
    rounds: int = 10
    power: float = 0.5
    horizon: float | None = None


USL_NUMBERS = {
    "cifar10": UslNumbers(),
    "cifar100": UslNumbers(weight=1.0, power=1.0, horizon=1.0),
}
"""What the authors' code has for its two sets of small images."""


def select_usl(
    features: FloatArray,
    budget: int,
    rng: np.random.Generator,
    numbers: UslNumbers | None = None,
) -> tuple[IntArray, IntArray]:
    """One sample a cluster of K-means with K = budget.

    Args:
        features: (N, d); USL uses features of length 1.
        budget: K, 1 to N.
        rng: source of randomness of K-means.
        numbers: None for the authors'.

    Returns:
        Positions, and the cluster of each, both of shape (budget,).
    """
    numbers = numbers or UslNumbers()
    count = min(numbers.neighbours, len(features) - 1)
    density = 1 / np.maximum(neighbours(features, count)[1].mean(axis=1, dtype=np.float64), 1e-12)
    clusters = filled(kmeans(features, budget, rng).assignment, density, budget)
    return regularised_choice(features, density, clusters, numbers), np.arange(budget)


def filled(clusters: IntArray, density: FloatArray, budget: int) -> IntArray:
    """ours: a cluster that K-means left empty gets the densest sample of the largest one.

    Args:
        clusters: (N,) cluster of each sample.
        density: (N,).
        budget: K.

    Returns:
        Shape (N,): every cluster 0 to K - 1 occurs.
    """
    clusters = clusters.copy()
    for empty in np.flatnonzero(np.bincount(clusters, minlength=budget) == 0):
        rows = np.flatnonzero(clusters == np.bincount(clusters).argmax())
        clusters[rows[density[rows].argmax()]] = empty
    return clusters


def regularised_choice(
    features: FloatArray, density: FloatArray, clusters: IntArray, numbers: UslNumbers
) -> IntArray:
    """The rounds of choosing and regularising.

    Args:
        features: (N, d).
        density: (N,).
        clusters: (N,), none of the K empty.
        numbers: weight, momentum, rounds, power and horizon.

    Returns:
        Chosen position of each cluster, shape (K,).
    """
    penalty = np.zeros(len(features))
    for _ in range(numbers.rounds):
        chosen = _best_of_each(density - numbers.weight * penalty, clusters)
        new = closeness(features, chosen, clusters, numbers)
        penalty = numbers.momentum * penalty + (1 - numbers.momentum) * new
    return chosen


def closeness(
    features: FloatArray, chosen: IntArray, clusters: IntArray, numbers: UslNumbers
) -> FloatArray:
    """sum_j dist^(-2 alpha) over other clusters' choices within the horizon.

    Args:
        features: (N, d).
        chosen: (K,) position chosen by each cluster.
        clusters: (N,).
        numbers: power and horizon.

    Returns:
        Shape (N,), float64.
    """
    found = np.empty(len(features))
    points = features[chosen].astype(np.float64)
    for rows in blocks(len(features), len(chosen) * features.shape[1]):
        gaps = features[rows, None].astype(np.float64) - points
        squared = np.maximum(np.einsum("nkd,nkd->nk", gaps, gaps), 1e-12)
        counts = clusters[rows, None] != np.arange(len(chosen))
        if numbers.horizon is not None:
            counts &= squared < numbers.horizon
        found[rows] = np.where(counts, squared**-numbers.power, 0.0).sum(axis=1)
    return found


def _best_of_each(scores: FloatArray, clusters: IntArray) -> IntArray:
    """Position of the largest score (N,) in each cluster; of equal ones the first."""
    order = np.lexsort((-scores, clusters))
    _, first = np.unique(clusters[order], return_index=True)
    return order[first].astype(np.int64)
