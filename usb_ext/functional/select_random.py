"""Random choices of the samples to label: the baselines of AS3L's Tables 2, 7 and 8."""

import numpy as np

from usb_ext.as3l.clustering.nearest import IntArray


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
