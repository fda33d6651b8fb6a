import json
import math

import numpy as np
import pytest

from usb_ext.data.folds import fold_summary


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
