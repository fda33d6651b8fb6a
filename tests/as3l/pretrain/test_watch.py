"""What pre-training is watched by: the vote of the neighbours, and when it looks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from support.run import assert_same_state
from support.ssl import epochs_of, features_of, pretrained

from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.features import read_features
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


def test_with_fresh_statistics_features_are_those_of_plain_images_and_training_is_as_without(
    made: Path, tmp_path: Path
) -> None:
    """The first layer's statistics by hand, features by the weights that are left, both against numpy."""
    pretrained(tmp_path, bn_statistics="fresh", bn_images=200)
    running, fresh = (
        torch.load(f / "ssl" / "latest_model.pth", weights_only=True) for f in (made, tmp_path)
    )
    assert_same_state(running["method"], fresh["method"])
    net = load_pretrained(wrn_10_1(10), str(tmp_path / "ssl" / "backbone.pth"))
    arrays = load_digits_arrays(8)
    values = read_features(tmp_path / "ssl" / "features.npz").values
    np.testing.assert_allclose(values, features_of(arrays.train_images, net), rtol=1e-4, atol=1e-5)
    sample = np.sort(np.random.default_rng(0xB47C).choice(1297, 200, replace=False))
    x = torch.from_numpy(arrays.train_images[sample]).permute(0, 3, 1, 2).double() / 255
    seen = net.double().conv1((x - arrays.mean[0]) / arrays.std[0]).detach()
    first = next(m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    torch.testing.assert_close(first.running_mean, seen.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(first.running_var, seen.var((0, 2, 3)), rtol=1e-5, atol=1e-6)
    with pytest.raises(SettingsError, match=r"bn_statistics \(fresh then, None now\)"):
        pretrained(tmp_path)
