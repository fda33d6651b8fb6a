"""Batches of kept features: rows by hand, the same from any start, on the device or from the file."""

from typing import Any

import numpy as np
import pytest
import torch

from usb_ext.augment.usb_views import KeptView
from usb_ext.core.errors import SettingsError
from usb_ext.data import feature_batches
from usb_ext.data.batches import IterationBatches
from usb_ext.data.feature_batches import FeatureEvaluation, FeatureLoader, is_kept
from usb_ext.data.feature_views import KeptViews
from usb_ext.upstream.usb import BasicDataset

N, WEAK, STRONG, D = 12, 2, 3, 5


def table() -> np.ndarray:
    """Number v of image i is 100 i + v, in every dimension."""
    values = 100 * np.arange(N)[:, None, None] + np.arange(1 + WEAK + STRONG)[None, :, None]
    return np.broadcast_to(values, (N, 1 + WEAK + STRONG, D)).astype(np.float16)


def dataset(rows: np.ndarray, unlabelled: bool, algorithm: str = "fixmatch") -> Any:
    views = KeptView(1, WEAK), KeptView(1 + WEAK, STRONG)
    kept = KeptViews(table())[rows]
    return BasicDataset(
        algorithm, kept, rows % 3, 3, views[0], is_ulb=unlabelled, strong_transform=views[1], onehot=False
    )  # fmt: skip


def loader(budget: int = 2**20, start: int = 0, **changed: Any) -> FeatureLoader:
    data = dataset(**{"rows": np.arange(2, 10), "unlabelled": True, **changed})
    sampler = IterationBatches(len(data), 4, 9, start, 3, 2)
    return FeatureLoader(data, "fixmatch", torch.device("cpu"), budget, sampler)


def test_each_view_is_a_kept_one_of_the_image_at_its_place() -> None:
    sampler, seen = IterationBatches(8, 4, 9, 0, 3, 2), set()
    for step, batch in enumerate(loader()):
        assert batch["idx_ulb"].tolist() == sampler.positions(step)
        images = 100 * (2 + batch["idx_ulb"])
        for name, allowed in (("x_ulb_w", {1, 2}), ("x_ulb_s", {3, 4, 5})):
            assert batch[name].shape == (4, D) and batch[name].dtype == torch.float32
            views = batch[name] - images[:, None]
            assert (views == views[:, :1]).all()
            assert set(views[:, 0].tolist()) <= allowed
            seen |= set(views[:, 0].tolist())
    assert seen == {1, 2, 3, 4, 5}


def test_a_later_start_and_a_copy_on_the_device_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = list(loader())
    assert loader().resident is None
    monkeypatch.setattr(feature_batches, "_held", lambda *_: True)
    assert loader().resident is not None
    for other in (list(loader(start=5)), list(loader())[5:]):
        for a, b in zip(whole[5:], other, strict=True):
            assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_labelled_batches_carry_their_classes() -> None:
    for batch in loader(unlabelled=False):
        assert set(batch) == {"x_lb", "idx_lb", "y_lb"}
        assert batch["y_lb"].tolist() == ((batch["idx_lb"] + 2) % 3).tolist()


def test_evaluation_takes_the_plain_view_in_order() -> None:
    data = dataset(np.arange(7), unlabelled=False)
    assert is_kept(data) and not is_kept(BasicDataset("fixmatch", np.zeros((1, 2, 2, 3)), [0], 3))
    batches = list(FeatureEvaluation(data, 3))
    assert torch.cat([b["x_lb"] for b in batches])[:, 0].tolist() == [100.0 * i for i in range(7)]
    assert torch.cat([b["y_lb"] for b in batches]).tolist() == [i % 3 for i in range(7)]


def test_a_turned_view_is_refused() -> None:
    data = dataset(np.arange(8), unlabelled=True)
    sampler = IterationBatches(8, 4, 9, 0, 3, 2)
    with pytest.raises(SettingsError, match="rotated views, which are not kept"):
        FeatureLoader(data, "remixmatch", torch.device("cpu"), 1, sampler)
