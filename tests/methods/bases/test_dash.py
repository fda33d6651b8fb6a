"""Dash's falling threshold on losses by hand (Xu et al., 2021)."""

import math
from typing import Any

import pytest
import torch
from support.usb import build, our_class

from usb_ext.methods.step.base import Weak


def weak(*rows: list[float]) -> Weak:
    probs = torch.tensor(rows, dtype=torch.float64)
    return Weak(logits=probs.log(), probs=probs, probs_lb=None, indices=None)


def algorithm_at(period: int, **changed: Any) -> Any:
    """Dash after the threshold was lowered `period` times, from a first loss of 2.0."""
    made = build(our_class("dash"), gamma=1.27, C=1.0001, **changed)
    made.rho_init = 2.0
    made.hooks_dict["MaskingHook"].rho_update_cnt = period
    return made


@pytest.mark.parametrize(("period", "rho"), [(0, 2.0002), (3, 2.0002 / 1.27**3), (30, 0.5)])
def test_the_largest_loss_falls_and_ends_at_its_minimum(period: int, rho: float) -> None:
    """rho = C gamma^-t rho_0, not below rho_min; told as the confidence exp(-rho)."""
    algorithm, seen = algorithm_at(period, rho_min=0.5), weak([0.2] * 5, [0.2] * 5)
    algorithm.rule.weights(algorithm, seen)
    wanted = torch.full((2,), math.exp(-rho), dtype=torch.float64)
    torch.testing.assert_close(algorithm.rule.threshold(algorithm, seen), wanted)


def test_hard_labels_from_the_minimum_on() -> None:
    """Then the loss is -log of the largest probability: 0.5 = -log 0.6065 is the most that counts."""
    algorithm = algorithm_at(30, rho_min=0.5)
    seen = weak([0.61, 0.39, 1e-9, 1e-9, 1e-9], [1e-9, 0.6, 0.4, 1e-9, 1e-9])
    assert algorithm.rule.weights(algorithm, seen).tolist() == [1.0, 0.0]
    assert algorithm.rule.targets(algorithm, seen).tolist() == [0, 1]
    torch.testing.assert_close(
        algorithm.rule.confidence(algorithm, seen), torch.tensor([0.61, 0.6]).double()
    )


def test_soft_labels_before_it() -> None:
    """Labels are the probabilities to the power 1/T = 2, normalised; the loss is against the weak view."""
    algorithm = algorithm_at(3, T=0.5)
    row = [0.5, 0.3, 0.1, 0.05, 0.05]
    seen = weak(row, [0.2] * 5)
    squares = [p * p / sum(q * q for q in row) for p in row]
    loss = -sum(t * math.log(p) for t, p in zip(squares, row, strict=True))
    rho = 2.0002 / 1.27**3
    assert loss < rho < math.log(5)  # the flat row's loss is log 5
    assert algorithm.rule.weights(algorithm, seen).tolist() == [1.0, 0.0]
    torch.testing.assert_close(
        algorithm.rule.targets(algorithm, seen)[0], torch.tensor(squares, dtype=torch.float64)
    )
    confidence = algorithm.rule.confidence(algorithm, seen)
    torch.testing.assert_close(confidence, torch.tensor([math.exp(-loss), 0.2]).double())
