"""Scores of a classifier from its predictions: the numbers every paper's tables report.

LayerMatch Table 3 reports F1 beside top-1; Smooth Pseudo-Labeling explains bad runs by collapsed
classes (Sec. 4): classes that are (almost) never predicted.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Macro-averaged scores in [0, 1] and the confusion matrix (C, C), rows = true class, counts."""

    top1: float
    balanced: float
    precision: float
    recall: float
    f1: float
    confusion: IntArray


def scores(y_true: IntArray, y_pred: IntArray, num_classes: int) -> Scores:
    """Scores of predictions, macro-averaged over classes that occur (LayerMatch, Table 3).

    Args:
        y_true: (n,) class indices.
        y_pred: (n,) class indices.
        num_classes: C; the confusion matrix is (C, C) even where a class does not occur.

    Returns:
        The scores; a class that is never predicted has precision 0.
    """
    labels = np.arange(num_classes)
    confusion = confusion_matrix(y_true, y_pred, labels=labels).astype(np.int64)
    precision, recall, f1, _ = precision_recall_fscore_support(
        y_true, y_pred, average="macro", zero_division=0
    )
    support = confusion.sum(axis=1)
    present = support > 0
    balanced = float(np.mean(np.diag(confusion)[present] / support[present]))
    top1 = float(np.trace(confusion) / confusion.sum())
    return Scores(top1, balanced, float(precision), float(recall), float(f1), confusion)


def collapsed_classes(confusion: IntArray, share: float = 0.1) -> list[int]:
    """Classes whose column of the confusion matrix is almost empty (Smooth Pseudo-Labeling, Sec. 4).

    Args:
        confusion: (C, C) counts, rows = true class, columns = prediction.
        share: ours: a class counts as collapsed if it is predicted less often than this share of its
            own number of examples; in [0, 1].

    Returns:
        Class indices, ascending; classes without examples are left out.
    """
    return rarely_predicted(confusion.sum(axis=0), confusion.sum(axis=1), share)


def rarely_predicted(predicted: IntArray, support: IntArray, share: float = 0.1) -> list[int]:
    """The same from the two margins of the confusion matrix (Smooth Pseudo-Labeling, Sec. 4).

    Args:
        predicted: (C,) how often each class is predicted.
        support: (C,) examples of each class.
        share: as in `collapsed_classes`.
    """
    return [int(c) for c in np.flatnonzero((support > 0) & (predicted < share * support))]
