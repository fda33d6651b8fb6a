"""Coreset-greedy: always the sample farthest from those chosen (AS3L, Table 8).

Sener & Savarese (2018), k-center greedy; the largest distance of a sample to its nearest chosen one is
at most twice the smallest possible (Gonzalez, 1985).
"""

import numpy as np

from usb_ext.as3l.clustering.nearest import FloatArray, IntArray, nearest_center


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
