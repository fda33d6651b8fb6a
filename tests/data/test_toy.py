"""The toy sets: what is in them by other means than their making, and that they train."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC
from support.toy import run_points

from usb_ext.core.errors import SettingsError
from usb_ext.data.sets import OWN
from usb_ext.data.toy import TOYS, load_toy
from usb_ext.settings.data import TOYS as NAMES


def points(dataset: str, **changed: Any) -> Any:
    given = {"toy_noise": None, "toy_train": 1040, "toy_test": 1000, "toy_seed": 0}
    return load_toy(Namespace(dataset=dataset, **{**given, **changed}))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_balance_and_one_set_for_every_run(name: str) -> None:
    found, again, other = points(name), points(name), points(name, toy_seed=1)
    assert found.train_images.shape == (1040, 2) and found.test_images.shape == (1000, 2)
    assert found.train_images.dtype == torch.float32
    assert np.bincount(found.train_targets).tolist() == [520, 520]
    assert torch.equal(found.train_images, again.train_images)
    assert not torch.equal(found.train_images, other.train_images)
    seen = {tuple(p) for p in found.train_images.tolist()}
    assert not seen & {tuple(p) for p in found.test_images.tolist()}
    assert not seen & {tuple(p) for p in other.test_images.tolist()}


@pytest.mark.parametrize(
    ("name", "separable"), [("linear", True), ("circles", False), ("moons", False)]
)
def test_only_linear_is_separated_by_a_line(name: str, separable: bool) -> None:
    found = points(name)
    x, y = found.train_images.numpy(), found.train_targets
    assert (LinearSVC(C=100.0, random_state=0).fit(x, y).score(x, y) > 0.999) == separable


def test_without_noise_the_points_lie_on_their_curves() -> None:
    circles = points("circles", toy_noise=0.0, toy_train=50)
    wanted = np.where(circles.train_targets == 0, 1.0, 0.5)
    assert np.allclose(circles.train_images.norm(dim=1), wanted, atol=1e-6)
    moons = points("moons", toy_noise=0.0, toy_train=50)
    centre = np.where(moons.train_targets[:, None] == 0, [0.0, 0.0], [1.0, 0.5])
    radii = np.linalg.norm(moons.train_images.numpy() - centre, axis=1)
    assert np.allclose(radii, 1.0, atol=1e-6)


def test_names_agree() -> None:
    assert tuple(TOYS) == NAMES
    assert set(NAMES) < set(OWN)


def test_a_run_learns_the_separable_set(tmp_path: Path) -> None:
    result = run_points(tmp_path, dataset="linear", num_train_iter=60, num_eval_iter=60, epoch=1)
    assert result.top1_last > 0.95
    assert result.labelled["num_labels"] == 10


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"net": "wrn_10_1"}, "net is wrn_10_1, .* points of dataset moons; use net: mlp_100_100"),
        ({"dataset": "digits"}, "mlp_100_100, which takes points .* dataset is digits"),
        ({"num_classes": 10}, "num_classes is 10.*--num_classes 2"),
        ({"toy_train": 8}, "num_labels asks for 5 labels of class 0, which has 4"),
        ({"augment": "batched", "num_labels": 2}, "use --augment usb"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run_points(tmp_path, **changed)
    assert not (tmp_path / "run").exists()
