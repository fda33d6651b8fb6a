"""Which examples have a class: by scikit-learn's convention for semi-supervised estimators -1 has none."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

UNLABELLED = -1
"""In `y`, an example whose class is not known, as in `sklearn.semi_supervised`."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Classes of N examples.

    Attributes:
        classes: (K,) sorted, of the type of `y`.
        codes: (N,) int64, positions in `classes`, -1 where the class is not known.
    """

    classes: NDArray[Any]
    codes: NDArray[np.int64]


def read_labels(y: ArrayLike) -> Labels:
    """The classes of examples, some of which have none.

    Numbers: -1 is none. Texts: as `SelfTrainingClassifier` asks, an array of dtype object whose entries are
    texts, or the number -1 for none; an array of a text dtype has a class everywhere.

    Args:
        y: (N,) numbers, texts or objects; a column (N, 1) is taken with scikit-learn's warning.

    Raises:
        ValueError: no class or one class alone, classes that are no classes (continuous), or "-1" as a text.
    """
    values = column_or_1d(y, warn=True)
    without = is_unlabelled(values)
    known = _of_one_type(values[~without])
    check_classification_targets(known)
    classes, found = np.unique(known, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y has {len(classes)} class(es) in {len(values)} examples, n_samples={len(values)}, besides "
            "-1 for unlabelled; a classifier needs examples of two classes, and got one class or none"
        )
    codes = np.full(len(values), UNLABELLED, dtype=np.int64)
    codes[~without] = found
    return Labels(classes, codes)


def _of_one_type(known: NDArray[Any]) -> NDArray[Any]:
    """Classes that stand in an array of objects: texts as they are, numbers as an array of numbers.

    Raises:
        ValueError: texts and other things together, which have no order.
    """
    if known.dtype.kind != "O":
        return known
    texts = sum(isinstance(value, str) for value in known)
    if 0 < texts < len(known):
        raise ValueError("y holds classes of several types, texts and others; use one type")
    return known if texts else np.array(known.tolist())


def is_unlabelled(values: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) whether each entry of `y` says that its class is not known.

    Args:
        values: (N,) of any dtype.

    Raises:
        ValueError: "-1" in an array of texts, which NumPy makes of a list of texts with -1.
    """
    if values.dtype.kind in "US":
        if np.any(values == "-1" if values.dtype.kind == "U" else values == b"-1"):
            raise ValueError(
                'y is of a text dtype and holds "-1"; for texts use dtype object, with the number -1 for '
                "unlabelled examples"
            )
        return np.zeros(len(values), dtype=np.bool_)
    if values.dtype.kind == "O":
        return np.array(
            [not isinstance(v, str | bytes | bool) and v == UNLABELLED for v in values],
            dtype=np.bool_,
        )
    if values.dtype.kind == "b":
        return np.zeros(len(values), dtype=np.bool_)
    unlabelled: NDArray[np.bool_] = values == UNLABELLED
    return unlabelled
