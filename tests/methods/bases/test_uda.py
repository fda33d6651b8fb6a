"""UDA's annealing of the training signal by hand (Xie et al., 2020)."""

import math

import pytest
import torch
from support.usb import build, our_class

from usb_ext.methods.bases.uda import annealing_level
from usb_ext.methods.step.base import Weak


@pytest.mark.parametrize(
    ("schedule", "progress", "level"),
    [
        ("none", 0.0, 1.0),
        ("linear", 0.0, 0.2),
        ("linear", 0.5, 0.6),
        ("linear", 1.0, 1.0),
        ("exp", 0.8, 0.2 + 0.8 / math.e),
        ("exp", 1.0, 1.0),
        ("log", 0.0, 0.2),
        ("log", 0.2, 1.0 - 0.8 / math.e),
    ],
)
def test_the_level_rises_from_chance_to_one(schedule: str, progress: float, level: float) -> None:
    """Of 5 classes: a_t (1 - 1/5) + 1/5 with a_t = t/T, exp(5 (t/T - 1)) or 1 - exp(-5 t/T)."""
    assert annealing_level(schedule, progress, 5) == pytest.approx(level, rel=1e-12)


def test_learned_examples_stop_counting_but_still_divide() -> None:
    """Half of the run, linear: a level of 0.6. The second row is above it, the third is wrong and below."""
    algorithm = build(our_class("uda"), tsa_schedule="linear")
    algorithm.it = 10  # of 20
    probs = torch.tensor(
        [[0.5, 0.2, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.05, 0.05], [0.1, 0.3, 0.5, 0.05, 0.05]],
        dtype=torch.float64,
    )
    logits = probs.log().requires_grad_()
    loss = algorithm.rule.supervised_loss(algorithm, logits, torch.tensor([0, 0, 1]))
    assert loss.item() == pytest.approx(-(math.log(0.5) + math.log(0.3)) / 3, rel=1e-12)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad.abs().sum(dim=1) > 0).tolist() == [True, False, True]


def test_labels_are_soft_and_the_threshold_is_fixed() -> None:
    algorithm = build(our_class("uda"), p_cutoff=0.45)
    assert algorithm.use_hard_label is False
    probs = torch.tensor([[0.5, 0.3, 0.1, 0.05, 0.05], [0.4, 0.3, 0.1, 0.1, 0.1]]).double()
    weak = Weak(probs.log(), probs, None, None)
    assert algorithm.rule.weights(algorithm, weak).tolist() == [1.0, 0.0]
    torch.testing.assert_close(algorithm.rule.targets(algorithm, weak), probs)
