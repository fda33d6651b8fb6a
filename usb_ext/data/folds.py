"""What a labelled fold looks like: the numbers the random-label benchmark is read by.

Smooth Pseudo-Labeling paper, sec. 4.5: with labels drawn at random some classes get none, and the
spread of class frequencies is given as their standard deviation over their mean.
"""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray


class FoldSummary(TypedDict):
    """One labelled fold in numbers, ready for JSON."""

    num_labels: int
    class_coverage: int
    counts: list[int]
    normalised_std: float


def fold_summary(
    targets: NDArray[np.int64], labelled: NDArray[np.int64], num_classes: int
) -> FoldSummary:
    """Class coverage and balance of a fold of n labels over K classes.

    `class_coverage` is the number of classes with at least one label (0 to K), `counts` the labels
    of each class, `normalised_std` std(f) / mean(f) of the class frequencies f_c = counts_c / n:
    0 is balance, sqrt(K - 1) all labels in one class. ours: the standard deviation divides by K.

    Args:
        targets: class of each training image, shape (N,).
        labelled: positions of the labelled images, shape (n,).

    Raises:
        ValueError: no labels, or a labelled image of unknown class.
    """
    of_labelled = targets[labelled]
    if len(of_labelled) == 0 or of_labelled.min() < 0 or of_labelled.max() >= num_classes:
        raise ValueError(f"fold_summary needs labels with classes 0 to {num_classes - 1}")
    counts = np.bincount(of_labelled, minlength=num_classes)
    return FoldSummary(
        num_labels=len(of_labelled),
        class_coverage=int((counts > 0).sum()),
        counts=counts.tolist(),
        normalised_std=float(counts.std() / counts.mean()),
    )
