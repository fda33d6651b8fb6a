"""Means over the batch and over the selected, against loops (LayerMatch, Eqs. 2 and 8)."""

import pytest
import torch

from usb_ext.methods.step.extension import example_shares, selected_share

WEIGHTS = [
    [0.0, 1.0, 0.0, 1.0, 1.0],
    [0.25, 0.0, 1.5, 0.0, 1e-9],
    [1.0, 1.0, 1.0, 1.0, 1.0],
    [0.0, 0.0, 0.0, 0.0, 0.0],
]
LOSSES = [3.0, -1.0, 0.5, 8.0, 2.25]


def mean_by_loop(weights: list[float], mean: str) -> float:
    total, count = 0.0, 0
    for weight, loss in zip(weights, LOSSES, strict=True):
        if weight > 0:
            total += weight * loss
            count += 1
    divisor = len(weights) if mean == "batch" else count
    return total / divisor if count else 0.0


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
@pytest.mark.parametrize("mean", ["batch", "selected"])
def test_shares_give_the_mean(weights: list[float], mean: str) -> None:
    shares = example_shares(torch.tensor(weights, dtype=torch.float64), mean)
    assert shares.shape == (len(weights),)
    got = (shares * torch.tensor(LOSSES, dtype=torch.float64)).sum().item()
    assert got == pytest.approx(mean_by_loop(weights, mean), rel=1e-14)


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_the_share_turns_one_mean_into_the_other(weights: list[float]) -> None:
    share = selected_share(torch.tensor(weights, dtype=torch.float64))
    assert share.shape == ()
    got = share.item() * mean_by_loop(weights, "batch")
    assert got == pytest.approx(mean_by_loop(weights, "selected"), rel=1e-14)


def test_with_nothing_selected_the_share_is_finite() -> None:
    assert selected_share(torch.zeros(5)).item() == 5.0


def test_another_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="mean is 'sum'; allowed: batch, selected"):
        example_shares(torch.ones(3), "sum")
