"""What pre-training is watched by: the vote of the neighbours, and when it looks."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from support.ssl import epochs_of, features_of

from usb_ext.data.arrays import load_digits_arrays
from usb_ext.upstream.nets import wrn_10_1
from usb_ext.upstream.weights import load_pretrained


def test_the_accuracy_is_that_of_the_neighbours(made: Path) -> None:
    """Against scikit-learn's classifier with the same votes."""
    net = load_pretrained(wrn_10_1(10), str(made / "ssl" / "backbone.pth"))
    arrays = load_digits_arrays(8)
    train, test = (features_of(i, net) for i in (arrays.train_images, arrays.test_images))
    unit = [f / np.linalg.norm(f, axis=1, keepdims=True) for f in (train, test)]
    votes = KNeighborsClassifier(
        5, weights=lambda d: np.exp((1 - d**2 / 2) / 0.1), algorithm="brute"
    ).fit(unit[0], arrays.train_targets)
    record = json.loads((made / "ssl" / "pretrain.json").read_text())
    assert record["knn"] == pytest.approx(votes.score(unit[1], arrays.test_targets), abs=0.0041)
    assert record["steps"] == 9 and record["images"] == 1297 and record["dimensions"] == 64


def test_metrics_are_written_each_epoch_and_features_looked_at_when_due(made: Path) -> None:
    found = epochs_of(made)
    assert [row["epoch"] for row in found] == [1, 2, 3]
    assert ["knn" in row and "spread" in row for row in found] == [False, True, True]
    assert all(-1 <= row["loss"] <= 1 for row in found)
    assert 0 < found[-1]["lr"] < found[0]["lr"] < 0.1
