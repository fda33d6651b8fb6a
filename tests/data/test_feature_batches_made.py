"""Views of vectors that are made when asked for: noise, numbers left out, a function of the step."""

from typing import Any

import numpy as np
import pytest
import torch

from usb_ext.augment.usb_views import DroppedView
from usb_ext.data.batches import IterationBatches
from usb_ext.data.feature_batches import FeatureEvaluation, FeatureLoader
from usb_ext.data.feature_views import FeatureArrays, KeptViews
from usb_ext.upstream.usb import BasicDataset

N, D = 40, 25


def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(3, 1, (N, 1, D)).astype(np.float32)


def loader(start: int = 0, budget: int = 2**20, steps: int = 30) -> FeatureLoader:
    data: Any = BasicDataset(
        "fixmatch", KeptViews(vectors()), np.zeros(N, int), 2, DroppedView(0.1), is_ulb=True,
        strong_transform=DroppedView(0.1, 0.4), onehot=False,
    )  # fmt: skip
    sampler = IterationBatches(N, 8, steps, start, 3, 2)
    return FeatureLoader(data, "fixmatch", torch.device("cpu"), budget, sampler)


def test_a_weak_view_has_noise_and_a_strong_one_lacks_numbers_besides() -> None:
    plain = torch.from_numpy(vectors())[:, 0]
    noise, dropped, seen = [], [], set()
    for batch in loader():
        at = plain[batch["idx_ulb"]]
        noise.append(batch["x_ulb_w"] - at)
        zero = batch["x_ulb_s"] == 0
        dropped.append(zero.float())
        assert ((batch["x_ulb_s"] - at)[~zero].abs() < 1).all()
        seen |= {tuple(row) for row in zero.tolist()}
    added, share = torch.cat(noise), torch.cat(dropped)
    assert added.std().item() == pytest.approx(0.1, rel=0.05)
    assert added.mean().item() == pytest.approx(0, abs=0.01)
    assert share.mean().item() == pytest.approx(0.4, abs=0.02)
    assert len(seen) > 200  # drawn anew for each view


def test_a_later_start_a_small_budget_and_a_shorter_run_give_the_same() -> None:
    whole = list(loader())
    for other, first in ((loader(start=17), 17), (loader(budget=0), 0), (loader(steps=9), 0)):
        for a, b in zip(whole[first:], other, strict=False):
            assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_evaluation_and_one_example_take_the_vector_itself() -> None:
    data: Any = BasicDataset(
        "fixmatch", KeptViews(vectors()), np.zeros(N, int), 2, DroppedView(), onehot=False
    )
    seen = torch.cat([batch["x_lb"] for batch in FeatureEvaluation(data, 7)])
    assert torch.equal(seen, torch.from_numpy(vectors())[:, 0])
    assert torch.equal(data[3]["x_lb"], seen[3])
    torch.manual_seed(0)
    alone = DroppedView(0.0, 0.5)(torch.ones(1, 1000))
    assert alone.shape == (1000,) and 400 < alone.sum() < 600


def test_a_set_has_kept_views_of_both_kinds_or_of_none() -> None:
    kept = KeptViews(vectors())

    def arrays(weak: int, strong: int) -> FeatureArrays:
        return FeatureArrays(
            kept, np.zeros(N, np.int64), kept[:0], np.zeros(0, np.int64), ("a", "b"), weak, strong
        )

    assert arrays(0, 0).made
    for weak, strong in ((0, 1), (1, 0), (1, 1)):
        with pytest.raises(ValueError, match="views of training and test images"):
            arrays(weak, strong)
