"""First centers of K-means that lie apart: k-means++ (Arthur & Vassilvitskii, 2007).

AS3L (Secs. 4.3 and 4.4) leaves the start of its K-means open. ours: each center is a sample drawn with a
probability that grows with its squared distance to the centers there are. With a plain random start
several runs on the same features agree too rarely for stable cores.
"""

import numpy as np

from usb_ext.as3l.clustering.nearest import FloatArray, nearest_center

LEAST_SAMPLE = 20_000
PER_CENTER = 10


def spread_start(
    features: FloatArray,
    num_centers: int,
    rng: np.random.Generator,
    taken: FloatArray | None = None,
) -> FloatArray:
    """Samples to start from, spread over the set.

    ours: they are drawn from max(20,000, 10 K) random samples, so that the start costs no more than a
    few steps of K-means also where N is in the millions.

    Args:
        features: (N, d).
        num_centers: K centers wanted in all, at most N more than taken.
        rng: source of randomness.
        taken: (G, d) centers that there are already, which come first; None for none.

    Returns:
        Centers (K, d).
    """
    count = min(len(features), max(LEAST_SAMPLE, PER_CENTER * num_centers))
    rows = np.sort(rng.choice(len(features), size=count, replace=False))
    pool = features[rows]
    centers = [] if taken is None else list(taken.astype(features.dtype))
    if not centers:
        centers.append(pool[rng.integers(len(pool))])
    distance = nearest_center(pool, np.stack(centers))[1]
    while len(centers) < num_centers:
        centers.append(pool[_draw(distance, rng)])
        distance = np.minimum(distance, nearest_center(pool, centers[-1][None])[1])
    return np.stack(centers)


def _draw(distance: FloatArray, rng: np.random.Generator) -> int:
    """A position, likelier the larger its distance (n,); any where all are 0."""
    ladder = np.cumsum(distance)
    if ladder[-1] <= 0:
        return int(rng.integers(len(distance)))
    return int(
        np.searchsorted(ladder, rng.random() * ladder[-1], side="right").clip(0, len(distance) - 1)
    )
