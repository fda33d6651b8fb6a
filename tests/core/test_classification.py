"""Scores against counts by loops, and collapsed classes by hand."""

import numpy as np
import pytest

from usb_ext.core.classification import collapsed_classes, rarely_predicted, scores

# Class 3 is never predicted, class 4 is predicted but never true, class 5 does not occur.
TRUE = [0, 0, 0, 0, 1, 1, 2, 2, 2, 3]
PREDICTED = [0, 0, 1, 4, 1, 1, 2, 0, 2, 2]
CLASSES = 6


def counted(true: list[int], predicted: list[int], c: int) -> tuple[int, int, int]:
    """How often class c is hit, is true, and is predicted."""
    hits = sum(t == p == c for t, p in zip(true, predicted, strict=True))
    return hits, true.count(c), predicted.count(c)


def oracle(true: list[int], predicted: list[int]) -> dict[str, float]:
    """Macro scores from their definitions; classes that are neither true nor predicted are out."""
    precision, recall, f1, balanced = [], [], [], []
    for c in sorted(set(true) | set(predicted)):
        hits, support, said = counted(true, predicted, c)
        precision.append(hits / said if said else 0.0)
        recall.append(hits / support if support else 0.0)
        f1.append(2 * hits / (said + support))
        if support:
            balanced.append(hits / support)
    top1 = sum(t == p for t, p in zip(true, predicted, strict=True)) / len(true)
    means = {"precision": precision, "recall": recall, "f1": f1, "balanced": balanced}
    return {"top1": top1, **{k: sum(v) / len(v) for k, v in means.items()}}


def random_labels(seed: int, n: int) -> list[int]:
    return np.random.default_rng(seed).integers(0, CLASSES, n).tolist()


CASES = [(TRUE, PREDICTED), *[(random_labels(s, 40), random_labels(s + 50, 40)) for s in range(4)]]


@pytest.mark.parametrize(("true", "predicted"), CASES)
def test_scores_are_those_of_their_definitions(true: list[int], predicted: list[int]) -> None:
    got = scores(np.array(true), np.array(predicted), CLASSES)
    for name, wanted in oracle(true, predicted).items():
        assert getattr(got, name) == pytest.approx(wanted, rel=1e-12), name


def test_rows_of_the_confusion_matrix_are_true_classes() -> None:
    confusion = scores(np.array(TRUE), np.array(PREDICTED), CLASSES).confusion
    wanted = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for t, p in zip(TRUE, PREDICTED, strict=True):
        wanted[t, p] += 1
    assert confusion.dtype == np.int64
    assert np.array_equal(confusion, wanted)
    assert confusion[0, 4] == 1 and confusion[4, 0] == 0


def test_perfect_predictions_score_one() -> None:
    got = scores(np.array([0, 1, 1, 2]), np.array([0, 1, 1, 2]), 3)
    assert (got.top1, got.balanced, got.precision, got.recall, got.f1) == (1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("predicted", "collapsed"),
    # 20 examples of classes 0 and 1 each, none of class 2; `predicted` says how often each is said.
    [
        ([20, 20, 0], []),
        ([38, 2, 0], []),
        ([39, 1, 0], [1]),
        ([0, 1, 39], [0, 1]),
        ([0, 40, 0], [0]),
    ],
)
def test_a_class_said_less_often_than_a_tenth_of_its_size_is_collapsed(
    predicted: list[int], collapsed: list[int]
) -> None:
    said = [c for c, times in enumerate(predicted) for _ in range(times)]
    confusion = scores(np.repeat([0, 1], 20), np.array(said), 3).confusion
    assert collapsed_classes(confusion) == collapsed


def test_the_share_can_be_chosen() -> None:
    confusion = np.array([[10, 0], [6, 4]])
    assert collapsed_classes(confusion, share=0.4) == []
    assert collapsed_classes(confusion, share=0.41) == [1]


def test_a_class_of_one_example_can_collapse_and_one_of_none_cannot() -> None:
    assert collapsed_classes(np.array([[4, 0, 0], [1, 0, 0], [0, 0, 0]])) == [1]


def test_margins_say_what_the_matrix_says() -> None:
    confusion = np.random.default_rng(0).multinomial(30, [0.9, 0.08, 0.02, 0.0], size=4)
    margins = rarely_predicted(confusion.sum(axis=0), confusion.sum(axis=1))
    assert margins == collapsed_classes(confusion) == [2, 3]
