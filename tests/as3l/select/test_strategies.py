"""The strategies by name."""

import numpy as np
import pytest
from support.features import blobs

from usb_ext.as3l.select.strategies import select
from usb_ext.settings.as3l import STRATEGIES


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_chooses_as_many_as_asked_for_and_is_fixed_by_its_seed(strategy: str) -> None:
    points, targets = blobs(4, 20, spread=1.0)

    def choose(seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        found = select(strategy, points, 8, rng, targets=targets)
        assert found.positions.shape == found.clusters.shape == (8,)
        assert len(set(found.positions.tolist())) == 8
        clusters = set(found.clusters.tolist())
        if strategy == "typiclust":
            assert clusters <= set(range(8))
        else:
            assert clusters == (set(range(8)) if strategy in ("as3l", "kmedoids", "usl") else {-1})
        return found.positions.tolist()

    assert choose(0) == choose(0)
    assert len({tuple(choose(seed)) for seed in range(4)}) > 1


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s != "stratified"])
@pytest.mark.parametrize("budget", [1, 12])
def test_one_sample_and_all_samples(strategy: str, budget: int) -> None:
    points, _ = blobs(3, 4)
    found = select(strategy, points, budget, np.random.default_rng(0))
    assert len(set(found.positions.tolist())) == budget


@pytest.mark.parametrize(("strategy", "budget"), [("best", 3), ("stratified", 3), ("as3l", 0)])
def test_what_cannot_be_is_refused(strategy: str, budget: int) -> None:
    with pytest.raises(ValueError, match=strategy if budget else "budget 0"):
        select(strategy, blobs(3, 4)[0], budget, np.random.default_rng(0))
