"""Stable cores: samples that every run of K-means puts into the same cluster (AS3L, Sec. 4.4)."""

import numpy as np

from usb_ext.as3l.clustering.nearest import FloatArray, IntArray, cluster_means


def stable_cores(assignments: IntArray) -> IntArray:
    """The core that each sample belongs to.

    Args:
        assignments: (C, N) clusters of each run, in one numbering (`alignment.aligned`).

    Returns:
        Shape (N,): the cluster on which all C runs agree, or -1.
    """
    agree = (assignments == assignments[0]).all(axis=0)
    return np.where(agree, assignments[0], -1)


def core_centers(features: FloatArray, cores: IntArray, fallback: FloatArray) -> FloatArray:
    """Mean of each core. ours: an empty core falls back to the first run's center.

    Args:
        features: (N, d).
        cores: (N,) core of each sample, -1 for none.
        fallback: (K, d) centers of the first run.

    Returns:
        Centers (K, d).
    """
    return cluster_means(features, cores, fallback)
