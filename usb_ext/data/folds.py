"""What a labelled fold looks like: the numbers the random-label benchmark is read by.

Smooth Pseudo-Labeling paper, sec. 4.5: with labels drawn at random some classes get none, and the
spread of class frequencies is given as their standard deviation over their mean.
"""

import logging
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

_log = logging.getLogger(__name__)


class FoldSummary(TypedDict):
    """One labelled fold in numbers, ready for JSON."""

    num_labels: int
    class_coverage: int
    counts: list[int]
    normalised_std: float


class UnlabelledSummary(TypedDict):
    """The unlabelled set in numbers that no method sees, ready for JSON."""

    num_unlabelled: int
    counts: list[int]
    normalised_std: float
    imbalance_class: int | None
    imbalance_fraction: float | None


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


def unlabelled_summary(
    targets: NDArray[np.int64],
    unlabelled: NDArray[np.int64],
    num_classes: int,
    imbalance_class: int | None,
    imbalance_fraction: float | None,
) -> UnlabelledSummary:
    """Balance of the unlabelled set, labelled images that are served without label included.

    ours: images whose class nobody knows (target -1) count in `num_unlabelled` alone; without a known
    class the deviation is 0.

    Args:
        targets: class of each training image, shape (N,).
        unlabelled: positions, shape (m,).
        imbalance_class: the class that lost images, or None.
        imbalance_fraction: share of its images that are not labelled which it kept.
    """
    of_known = targets[unlabelled][targets[unlabelled] >= 0]
    counts = np.bincount(of_known, minlength=num_classes)
    return UnlabelledSummary(
        num_unlabelled=len(unlabelled),
        counts=counts.tolist(),
        normalised_std=float(counts.std() / counts.mean()) if len(of_known) else 0.0,
        imbalance_class=imbalance_class,
        imbalance_fraction=imbalance_fraction,
    )


def warn_of_missing_classes(summary: FoldSummary, classes: tuple[str, ...] | None = None) -> None:
    """Say which classes have no label, and how many can be learned (Sec. 4.5); nothing if all have.

    Args:
        summary: of the labelled fold.
        classes: class names, where known.
    """
    total = len(summary["counts"])
    empty = [c for c, count in enumerate(summary["counts"]) if count == 0]
    if not empty:
        return
    known = [str(c) for c in range(total)] if classes is None else classes
    names = ", ".join(str(c) if known[c] == str(c) else f"{c} ({known[c]})" for c in empty)
    _log.warning(
        "the %d labels cover %d of %d classes, so at most %d can be learned; without a label: %s",
        summary["num_labels"],
        summary["class_coverage"],
        total,
        summary["class_coverage"],
        names,
    )
