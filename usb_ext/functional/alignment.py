"""Which cluster of one run is which cluster of another (AS3L, Sec. 4.4; the method is open there).

The numbers of clusters are arbitrary in every run. ours: the Hungarian method finds the renumbering
under which the two runs put most samples into the same cluster.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from usb_ext.as3l.clustering.nearest import IntArray


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
