"""Training images in their own order, and where USB's unlabelled images stand among them.

USB's real loaders run, on stand-ins for torchvision's files whose pixels are their own positions.
"""

from argparse import Namespace
from typing import Any

import numpy as np
import pytest
import torchvision

from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.sets import prepare
from usb_ext.data.training_set import load_training_set
from usb_ext.settings import load_settings

KNOWN, OTHERS = 20, 7


def numbered(first: int, count: int) -> np.ndarray:
    """Images (count, 8, 8, 3) filled with first, first + 1, ..."""
    return (
        np.full((count, 8, 8, 3), 0, np.uint8)
        + np.arange(first, first + count, dtype=np.uint8)[:, None, None, None]
    )


class FakeCifar:
    def __init__(self, *_: Any, train: bool = True, **__: Any) -> None:
        self.data = numbered(0, KNOWN)
        self.targets = [i % 10 for i in range(KNOWN)]


class FakeStl:
    """torchvision's STL-10 keeps channels first; its unlabelled images have the class -1."""

    def __init__(self, *_: Any, split: str, **__: Any) -> None:
        first, count = (KNOWN, OTHERS) if split == "unlabeled" else (0, KNOWN)
        self.data = numbered(first, count).transpose(0, 3, 1, 2)
        self.labels = np.full(count, -1) if split == "unlabeled" else np.arange(count) % 10


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", FakeCifar)
    monkeypatch.setattr(torchvision.datasets, "STL10", FakeStl)


def settings(dataset: str, **changed: Any) -> Any:
    given = {"dataset": dataset, "num_labels": 10, "img_size": 8, "algorithm": "fixmatch"}
    return load_settings({**given, **changed}).settings


@pytest.mark.parametrize(("dataset", "count"), [("cifar10", KNOWN), ("stl10", KNOWN + OTHERS)])
def test_images_stand_at_their_positions(dataset: str, count: int) -> None:
    found = load_training_set(settings(dataset))
    assert np.asarray(found.images)[:, 0, 0, 0].tolist() == list(range(count))
    assert found.targets.tolist() == [i % 10 if i < KNOWN else -1 for i in range(count)]
    assert found.ids.count == count and found.ids.names is None and found.classes is None


@pytest.mark.parametrize("dataset", ["cifar10", "stl10"])
@pytest.mark.parametrize("include", [True, False])
def test_a_runs_unlabelled_images_are_those_at_their_positions(dataset: str, include: bool) -> None:
    args = Namespace(**settings(dataset, include_lb_to_ulb=include, label_seed=3).model_dump())
    data = prepare(args)
    assert data.positions is not None and data.ids is not None
    served = np.asarray(data.datasets["train_ulb"].data)[:, 0, 0, 0]
    assert served.tolist() == data.positions.tolist()
    assert len(set(served.tolist())) == (
        KNOWN + OTHERS if dataset == "stl10" else 20 - 10 * (not include)
    )
    assert data.ids.count == (KNOWN + OTHERS if dataset == "stl10" else KNOWN)


def test_digits_are_all_training_digits_and_a_runs_positions_point_into_them() -> None:
    found = load_training_set(settings("digits"))
    arrays = load_digits_arrays(8)
    np.testing.assert_array_equal(found.images, arrays.train_images)
    np.testing.assert_array_equal(found.targets, arrays.train_targets)
    assert found.classes == arrays.classes
    args = Namespace(**settings("digits", include_lb_to_ulb=False, label_seed=1).model_dump())
    data = prepare(args)
    assert data.positions is not None
    served = data.datasets["train_ulb"].data
    np.testing.assert_array_equal(served, arrays.train_images[data.positions])


def test_a_set_that_usb_splits_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "usb_ext.data.training_set.load_usb_datasets", lambda *_: ({"train_ulb": []}, None, None)
    )
    with pytest.raises(SettingsError, match="'imagenet', which USB splits itself; .*imagefolder"):
        load_training_set(settings("imagenet"))


def test_what_features_are_judged_by_comes_with_it() -> None:
    """Test images, and the normalisation and mirroring of the run's own evaluation and weak views."""
    for dataset, hflip in (("cifar10", True), ("digits", False)):
        found = load_training_set(settings(dataset))
        args = Namespace(**settings(dataset, label_seed=0).model_dump())
        served = prepare(args).datasets
        np.testing.assert_array_equal(found.test_images, served["eval"].data)
        np.testing.assert_array_equal(found.test_targets, served["eval"].targets)
        normalise = served["eval"].transform.transforms[-1]
        assert found.mean == pytest.approx(tuple(map(float, normalise.mean)))
        assert found.std == pytest.approx(tuple(map(float, normalise.std)))
        steps = [type(step).__name__ for step in served["train_ulb"].transform.transforms]
        assert found.hflip is ("RandomHorizontalFlip" in steps) is hflip
