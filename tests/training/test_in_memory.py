"""A run in memory is a run: the same weights, to the bit, as one that leaves a folder."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.run import checkpoint_of, run

from usb_ext.core.errors import SettingsError
from usb_ext.data.feature_views import FeatureArrays, KeptViews
from usb_ext.data.sets import Source, add_dataset
from usb_ext.settings import load_settings
from usb_ext.training.in_memory import trained_network

RUN: dict[str, Any] = {
    "algorithm": "layermatch", "net": "mlp_8", "feature_size": 5, "num_classes": 3, "num_labels": 9,
    "label_split": "random", "feature_noise": 0.2, "feature_dropout": 0.3, "num_train_iter": 12, "epoch": 1,
    "num_eval_iter": 6, "batch_size": 4, "uratio": 2, "num_workers": 0, "device": "cpu", "progress": "off",
    "ema_m": 0.9, "seed": 3,
}  # fmt: skip


def arrays() -> FeatureArrays:
    """30 vectors of three clouds, 9 of which have a class."""
    rng = np.random.default_rng(0)
    classes = np.arange(30) % 3
    values = (4 * rng.standard_normal((3, 5))[classes] + rng.standard_normal((30, 5))).astype("f4")
    targets = np.where(np.arange(30) < 9, classes, -1).astype(np.int64)
    kept = KeptViews(values[:, None])
    return FeatureArrays(kept, targets, kept[:6], classes[:6], ("a", "b", "c"), 0, 0)


def test_its_weights_are_those_of_a_run_with_a_folder(tmp_path: Path, registries: None) -> None:
    add_dataset("vectors of mine", lambda _: arrays())
    assert run(tmp_path, **RUN, dataset="vectors of mine", img_size=16) is not None
    left = checkpoint_of(tmp_path)
    given = {**RUN, "dataset": "arrays", "without_test": True, "img_size": 16}
    found = trained_network(load_settings(given), Source(arrays=arrays()))
    for part in ("model", "ema_model"):
        assert left[part].keys() == found.state[part].keys()
        for name, value in left[part].items():
            assert torch.equal(value, found.state[part][name]), name
    assert found.state["it"] == 12


def test_a_run_by_its_settings_alone_is_refused(tmp_path: Path) -> None:
    """Nobody hands its examples over."""
    with pytest.raises(
        SettingsError, match="dataset is arrays, whose examples a program hands over"
    ):
        run(tmp_path, **RUN, dataset="arrays", without_test=True, img_size=16)


def test_a_refusal_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    loaded = load_settings({**RUN, "dataset": "arrays", "without_test": True, "num_classes": 4})
    with pytest.raises(SettingsError, match="num_classes is 4, but arrays has 3 classes"):
        trained_network(loaded, Source(arrays=arrays()))
    assert list(tmp_path.iterdir()) == []
