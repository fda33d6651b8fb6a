"""What a run records of its unlabelled images is what it is served."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torchvision

from usb_ext.data.sets import prepare
from usb_ext.settings import load_settings

KNOWN, OTHERS = 40, 70


def arguments(dataset: str, **changed: Any) -> Any:
    given = {"dataset": dataset, "num_labels": 10, "img_size": 32, "algorithm": "fixmatch"}
    settings = load_settings({**given, "label_seed": 0, **changed}).settings
    return Namespace(**settings.model_dump())


def fake(count: dict[str, int]) -> Any:
    """torchvision's class with that many images a split, of classes in turn; of `unlabeled` unknown."""

    def build(_root: str, split: str = "train", **_: Any) -> Any:
        n = count[split]
        labels = np.full(n, -1) if split == "unlabeled" else np.arange(n) % 10
        return SimpleNamespace(data=np.zeros((n, 3, 32, 32), np.uint8), labels=labels)

    return build


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("num_val", [0, 10])
def test_stl10(monkeypatch: pytest.MonkeyPatch, include: bool, num_val: int) -> None:
    counts = {"train": KNOWN, "unlabeled": OTHERS, "test": 10}
    monkeypatch.setattr(torchvision.datasets, "STL10", fake(counts))
    data = prepare(arguments("stl10", include_lb_to_ulb=include, num_val=num_val))
    told, ulb = data.unlabelled, data.datasets["train_ulb"]
    assert ulb is not None
    # The labelled, if included; the others; then all with classes but those held out.
    assert told["num_unlabelled"] == len(ulb) == 10 * include + OTHERS + KNOWN - num_val
    assert told["counts"] == [include + 4 - num_val // 10] * 10
    assert data.summary["counts"] == [1] * 10


@pytest.mark.parametrize(("extra", "images"), [(None, 90), (True, 90), (False, 40)])
def test_svhn(monkeypatch: pytest.MonkeyPatch, extra: bool | None, images: int) -> None:
    class Svhn:
        def __init__(self, _root: str, split: str, **_: Any) -> None:
            made = fake({"train": 40, "extra": 50, "test": 10})("", split)
            self.data, self.labels = made.data, made.labels

    monkeypatch.setattr(torchvision.datasets, "SVHN", Svhn)
    data = prepare(arguments("svhn", svhn_extra=extra, include_lb_to_ulb=False))
    assert data.unlabelled["num_unlabelled"] == images - 10
    assert torchvision.datasets.SVHN is Svhn


def test_a_set_that_usb_splits_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = SimpleNamespace(targets=[0, 0, 1])
    unlabelled = SimpleNamespace(targets=[0, 1, 1, 7])  # a class that nobody can learn
    sets = {"train_lb": labelled, "train_ulb": unlabelled, "eval": None, "test": None}
    monkeypatch.setattr("usb_ext.data.sets.load_usb_datasets", lambda *_: (sets, None, None))
    data = prepare(arguments("semi_aves", num_labels=50, num_classes=2))
    assert (data.summary["num_labels"], data.summary["counts"]) == (3, [2, 1])
    assert (data.unlabelled["num_unlabelled"], data.unlabelled["counts"]) == (4, [1, 2])
