"""Which examples have a class: numbers, texts in arrays of objects, and what is refused."""

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning
from sklearn.semi_supervised import SelfTrainingClassifier

from usb_ext.estimator.labels import is_unlabelled, read_labels

TEXTS = np.array(["cat", -1, "dog", "cat"], dtype=object)


@pytest.mark.parametrize(
    ("y", "classes", "codes"),
    [
        ([3, -1, 7, 3], [3, 7], [0, -1, 1, 0]),
        ([1.0, 2.0, -1.0], [1.0, 2.0], [0, 1, -1]),
        ([0, 1, 0], [0, 1], [0, 1, 0]),
        ([-2, -1, 4], [-2, 4], [0, -1, 1]),
        ([True, False], [False, True], [1, 0]),
        (TEXTS, ["cat", "dog"], [0, -1, 1, 0]),
        (["cat", "dog", "cat"], ["cat", "dog"], [0, 1, 0]),
        (np.array([5, -1, 6], dtype=object), [5, 6], [0, -1, 1]),
    ],
)
def test_minus_one_is_no_class(y: Any, classes: list[Any], codes: list[int]) -> None:
    found = read_labels(np.asarray(y) if isinstance(y, list) else y)
    assert found.classes.tolist() == classes
    assert found.codes.tolist() == codes and found.codes.dtype == np.int64


def test_a_column_is_taken_with_scikit_learns_warning() -> None:
    with pytest.warns(DataConversionWarning, match="A column-vector y"):
        assert read_labels(np.array([[0], [1], [-1]])).codes.tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.array([1, 1, -1]), r"y has 1 class\(es\) in 3 examples"),
        (np.array([-1, -1]), "0 class"),
        (np.array([0.5, 1.25, 2.0]), "Unknown label type: continuous"),
        (np.array(["cat", "-1"]), 'holds "-1"; for texts use dtype object'),
        (np.array(["cat", 3, -1], dtype=object), "Unknown label type|several types"),
    ],
)
def test_what_is_no_classification_is_refused(y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_labels(y)


def test_texts_are_marked_as_self_training_has_them() -> None:
    """What it takes is taken, what it refuses for its dtype is refused where a mark is lost in it."""
    from sklearn.linear_model import LogisticRegression

    X = np.array([[0.0], [0.1], [1.0], [1.1]])
    theirs = SelfTrainingClassifier(LogisticRegression()).fit(X, TEXTS[[0, 1, 2, 3]])
    assert theirs.classes_.tolist() == read_labels(TEXTS).classes.tolist()
    marked = np.array(["cat", "-1", "dog", "dog"])
    for fit in (lambda: SelfTrainingClassifier(LogisticRegression()).fit(X, marked),
                lambda: read_labels(marked)):  # fmt: skip
        with pytest.raises(ValueError, match="dtype object"):
            fit()


def test_a_text_that_reads_minus_one_in_an_array_of_objects_is_a_class() -> None:
    assert is_unlabelled(np.array(["-1", -1, "a"], dtype=object)).tolist() == [False, True, False]
