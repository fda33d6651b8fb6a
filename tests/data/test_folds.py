"""What a fold looks like, its unlabelled part too: counts, coverage and balance by hand."""

import json
import logging
import math

import numpy as np
import pytest

from usb_ext.data.folds import fold_summary, unlabelled_summary, warn_of_missing_classes


def test_by_hand():
    """Counts (3, 1, 0, 0): frequencies (.75, .25, 0, 0), mean .25, variance (.25+0+2*.0625)/4."""
    targets = np.array([0, 0, 0, 1, 2, 3, 3])
    summary = fold_summary(targets, np.array([0, 1, 2, 3]), 4)
    assert summary["num_labels"] == 4
    assert summary["class_coverage"] == 2
    assert summary["counts"] == [3, 1, 0, 0]
    assert summary["normalised_std"] == pytest.approx(math.sqrt(0.375 / 4) / 0.25)
    assert json.loads(json.dumps(summary)) == summary


def test_limits_are_balance_and_one_class():
    targets = np.repeat(np.arange(5), 2)
    assert fold_summary(targets, np.arange(10), 5)["normalised_std"] == 0.0
    alone = fold_summary(targets, np.array([0, 1]), 5)
    assert alone["normalised_std"] == pytest.approx(math.sqrt(5 - 1))
    assert alone["class_coverage"] == 1


@pytest.mark.parametrize("labelled", [[], [2]])
def test_needs_known_labels(labelled):
    with pytest.raises(ValueError, match="classes 0 to 1"):
        fold_summary(np.array([0, 1, -1]), np.array(labelled, dtype=np.int64), 2)


def test_summary_by_hand() -> None:
    """Counts (2, 1, 0) with one unknown: mean 1, variance (1 + 0 + 1) / 3."""
    targets = np.array([0, 0, 1, -1, 2])
    found = unlabelled_summary(targets, np.array([0, 1, 2, 3]), 3, 2, 0.0)
    assert found["num_unlabelled"] == 4 and found["counts"] == [2, 1, 0]
    assert found["normalised_std"] == pytest.approx((2 / 3) ** 0.5)
    assert (found["imbalance_class"], found["imbalance_fraction"]) == (2, 0.0)
    unknown = unlabelled_summary(targets, np.array([3]), 3, None, None)
    assert (unknown["counts"], unknown["normalised_std"]) == ([0, 0, 0], 0.0)


def test_classes_without_a_label_are_named(caplog: pytest.LogCaptureFixture) -> None:
    targets = np.array([0, 0, 1, 2, 3])
    whole = fold_summary(targets, np.array([0, 2, 3, 4]), 4)
    part = fold_summary(targets, np.array([0, 1, 3]), 4)
    with caplog.at_level(logging.WARNING):
        warn_of_missing_classes(whole)
        assert caplog.text == ""
        warn_of_missing_classes(part, ("ant", "bee", "cat", "dog"))
    assert "3 labels cover 2 of 4 classes, so at most 2 can be learned" in caplog.text
    assert "1 (bee), 3 (dog)" in caplog.text
