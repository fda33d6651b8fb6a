"""One class that loses unlabelled images: the imbalance ablation of the Smooth Pseudo-Labeling paper.

Sec. 4.3.3: in each fold one class, chosen at random, keeps only a fraction of its unlabelled images, so
that the unlabelled set is not distributed as the labelled one. The fraction is lost in the text: it is a
setting.
"""

import numpy as np
from numpy.typing import NDArray

from usb_ext.data.class_counts import seeded_order

IntArray = NDArray[np.int64]
_CLASS_STREAM = 2  # ours: sets this draw apart from the permutation of the same seed


def reduced_class(chosen: int | str | None, num_classes: int, label_seed: int) -> int | None:
    """The class that `imbalance_class` means, 0 to K - 1, or None.

    ours: `random` depends on the label seed alone, so all folds of a seed reduce the same class.

    Args:
        chosen: a class, `random` or None.
        num_classes: K.
        label_seed: >= 0.
    """
    if chosen != "random":
        return None if chosen is None else int(chosen)
    rng = np.random.default_rng(np.random.SeedSequence((label_seed, _CLASS_STREAM)))
    return int(rng.integers(num_classes))


def without_most_of(
    positions: IntArray, targets: IntArray, one: int | None, fraction: float | None, label_seed: int
) -> IntArray:
    """The positions, less the images that the reduced class loses; order unchanged, shape (m',).

    The class keeps round(fraction n) of its n images, halves rounded up: the first along the seed's
    permutation, so that what a smaller fraction keeps is contained in what a larger one keeps.

    Args:
        positions: unlabelled images, shape (m,), each once; labelled ones are not among them.
        targets: class of each training image, shape (N,).
        one: the class, or None to keep everything.
        fraction: share that it keeps, in [0, 1].
        label_seed: >= 0.
    """
    if one is None or fraction is None:
        return positions
    rank = np.empty(len(targets), dtype=np.int64)
    rank[seeded_order(len(targets), label_seed)] = np.arange(len(targets))
    own = positions[targets[positions] == one]
    keep = int(np.floor(fraction * len(own) + 0.5))
    lost = own[np.argsort(rank[own])][keep:]
    kept: IntArray = positions[~np.isin(positions, lost)]
    return kept
