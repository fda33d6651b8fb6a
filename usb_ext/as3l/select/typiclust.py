"""TypiClust: the most typical sample of each cluster, for few labels.

Hacohen, Dekel & Weinshall (2022), Active Learning on a Budget. K-means with as many clusters as there will
be labels; the clusters that hold fewest labels, the largest first, each give their most typical sample,
typicality being 1 over the mean distance to the nearest samples of the cluster (their Eq. 4).
"""

import numpy as np

from usb_ext.as3l.clustering.kmeans import kmeans_runs
from usb_ext.as3l.clustering.nearest import neighbours
from usb_ext.core.arrays import FloatArray, IntArray

NEIGHBOURS = 20
"""Samples that typicality looks at (Sec. 3.2); fewer in a cluster that has fewer."""

STARTS = 6
"""ours: runs of K-means, of which the one with the smallest sum of squared distances is taken."""

LEAST_CLUSTER = 5
"""Clusters with fewer samples are passed over while others have samples left, as in the authors' code."""


def select_typiclust(
    features: FloatArray, budget: int, rng: np.random.Generator, given: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """One typical sample after the other.

    ours: no upper limit on the number of clusters (the authors' 500 is for time), and typicality among all
    samples of a cluster, those chosen before too.

    Args:
        features: (N, d).
        budget: B, 1 to N; with G given samples 1 to N - G.
        rng: source of randomness of K-means.
        given: (G,) distinct positions that are labelled already; their clusters come after the others.

    Returns:
        Positions, and the cluster of each among the B + G, both of shape (budget,).
    """
    taken = np.zeros(len(features), dtype=bool)
    if given is not None:
        taken[given] = True
    runs = kmeans_runs(features, budget + int(taken.sum()), STARTS, rng)
    assignment = min(runs, key=lambda run: run.objective).assignment
    chosen: list[int] = []
    scores = np.full(len(features), np.nan)
    for _ in range(budget):
        rows = np.flatnonzero(assignment == _next_cluster(assignment, taken))
        if np.isnan(scores[rows]).any():
            scores[rows] = typicality(features[rows])
        best = rows[np.where(taken[rows], -np.inf, scores[rows]).argmax()]
        taken[best] = True
        chosen.append(int(best))
    positions = np.array(chosen, dtype=np.int64)
    return positions, assignment[positions].astype(np.int64)


def typicality(cluster: FloatArray) -> FloatArray:
    """1 over the mean distance to the `NEIGHBOURS` nearest of the same cluster; 1 for a sample alone.

    Args:
        cluster: features of its samples, (n, d).

    Returns:
        Shape (n,), > 0.
    """
    if len(cluster) == 1:
        return np.ones(1)
    squared = neighbours(cluster, min(NEIGHBOURS, len(cluster) - 1))[1]
    distance = np.sqrt(np.maximum(squared, 0.0), dtype=np.float64).mean(axis=1)
    scores: FloatArray = 1 / np.maximum(distance, 1e-12)
    return scores


def _next_cluster(assignment: IntArray, taken: np.ndarray) -> int:
    """Of the clusters with a sample to take: large enough, then fewest taken, then largest, then first."""
    count = int(assignment.max()) + 1
    sizes = np.bincount(assignment, minlength=count)
    held = np.bincount(assignment[taken], minlength=count)
    order = np.lexsort((-sizes, held, sizes < LEAST_CLUSTER, sizes <= held))
    return int(order[0])
