"""AS3L's choice of the samples to label: nearest to the centers of stable cores (Sec. 4.4)."""

import numpy as np

from usb_ext.as3l.clustering.kmeans import kmeans_runs
from usb_ext.as3l.clustering.nearest import FloatArray, IntArray
from usb_ext.functional.alignment import aligned
from usb_ext.functional.stable_cores import core_centers, stable_cores


def select_as3l(
    features: FloatArray,
    budget: int,
    rng: np.random.Generator,
    runs: int = 6,
    points_per_center: int | None = None,
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

    Returns:
        Positions of the chosen samples in the order chosen, and the cluster each stands for, both of
        shape (budget,).
    """
    clusterings = kmeans_runs(features, budget, runs, rng, points_per_center)
    cores = stable_cores(aligned([c.assignment for c in clusterings], budget))
    centers = core_centers(features, cores, clusterings[0].centers)
    sizes = np.bincount(cores[cores >= 0], minlength=budget)
    order = np.argsort(-sizes, kind="stable")
    return nearest_free(features, centers[order]), order.astype(np.int64)


def nearest_free(features: FloatArray, centers: FloatArray) -> IntArray:
    """The sample nearest to each center, none twice; earlier centers choose first.

    Args:
        features: (N, d).
        centers: (K, d), K at most N.

    Returns:
        Positions, shape (K,).
    """
    free = np.ones(len(features), dtype=np.bool_)
    chosen = np.empty(len(centers), dtype=np.int64)
    lengths = np.einsum("nd,nd->n", features, features)
    for number, center in enumerate(centers.astype(features.dtype)):
        distance = lengths - 2 * (features @ center)
        chosen[number] = np.flatnonzero(free)[distance[free].argmin()]
        free[chosen[number]] = False
    return chosen
