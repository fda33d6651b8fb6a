"""Accuracy, reach and calibration of prior pseudo-labels, by hand."""

from pathlib import Path

import numpy as np
import pytest

from usb_ext.as3l.inputs.given_labels import GivenLabels
from usb_ext.as3l.propagate.report import prior_report, summary

PRIOR = np.array([[1, 0], [0.75, 0.25], [0, 0], [0, 1], [0.5, 0.5]])


def given(truth: list[int] | None) -> GivenLabels:
    known = None if truth is None else np.array(truth)
    return GivenLabels(np.array([0, 3]), np.array([0, 1]), ("a", "b"), known)


def test_unreached_images_are_wrong_and_unknown_ones_do_not_count() -> None:
    """Known: the first four. Right: the first and the fourth; the third has no prior."""
    report, bins = prior_report(PRIOR, given([0, 1, 0, 1, -1]))
    assert bins is not None
    assert report["reached"] == pytest.approx(4 / 5)
    assert report["accuracy"] == pytest.approx(2 / 4)
    assert report["accuracy_reached"] == pytest.approx(2 / 3)
    assert report["ece"] == pytest.approx(1 / 3 * 0.75), "0.75 is wrong, two at 1 are right"
    assert bins.counts.sum() == 3
    text = summary(report, Path("p.npz"))
    assert "2 labels of 2 of 2 classes reach 80.00%" in text and "accuracy 50.00%" in text


@pytest.mark.parametrize("truth", [None, [-1, -1, 1, -1, -1]])
def test_nothing_is_said_where_nothing_is_known(truth: list[int] | None) -> None:
    report, bins = prior_report(PRIOR, given(truth))
    assert bins is None and "accuracy" not in report
    assert summary(report, Path("p.npz")).count("\n") == 0
