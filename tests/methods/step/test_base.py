"""FixMatch's rule, on which the bases are built, by hand (Sohn et al., 2020)."""

from typing import Any

import pytest
import torch
from support.usb import build, our_class

from usb_ext.methods.step.base import LogitsRule, Weak
from usb_ext.methods.step.views import Views
from usb_ext.upstream.usb import Hook

PROBS = [[0.7, 0.1, 0.1, 0.05, 0.05], [0.05, 0.1, 0.6, 0.2, 0.05], [0.1, 0.8, 0.04, 0.03, 0.03]]


def weak_of(rows: list[list[float]]) -> Weak:
    probs = torch.tensor(rows, dtype=torch.float64)
    return Weak(logits=probs.log(), probs=probs, probs_lb=None, indices=None)


def test_confident_rows_count_and_are_their_likeliest_class() -> None:
    """0.7, 0.6 and 0.8 against 0.7: the threshold itself is confident enough."""
    algorithm, weak = build(our_class("fixmatch"), p_cutoff=0.7), weak_of(PROBS)
    rule = algorithm.rule
    assert rule.weights(algorithm, weak).tolist() == [1.0, 0.0, 1.0]
    assert rule.targets(algorithm, weak).tolist() == [0, 2, 1]
    assert rule.confidence(algorithm, weak).tolist() == [0.7, 0.6, 0.8]
    assert rule.threshold(algorithm, weak).tolist() == [0.7] * 3
    assert rule.regulariser(algorithm, None, None) is None and rule.teacher(algorithm) is None


def test_soft_labels_are_the_probabilities() -> None:
    algorithm, weak = build(our_class("fixmatch"), hard_label=False), weak_of(PROBS)
    torch.testing.assert_close(algorithm.rule.targets(algorithm, weak), weak.probs)


def test_the_two_losses_have_usbs_weights() -> None:
    """Cross-entropy as a mean; the unlabelled loss by `ulb_loss_ratio`."""
    algorithm = build(our_class("fixmatch"), ulb_loss_ratio=2.5)
    assert algorithm.rule.unsup_weight(algorithm) == 2.5
    logits = weak_of(PROBS[:2]).logits
    loss = algorithm.rule.supervised_loss(algorithm, logits, torch.tensor([1, 2]))
    assert loss.item() == pytest.approx(-(torch.tensor([0.1, 0.6]).double().log().mean().item()))


class Reversed(Hook):  # type: ignore[misc]
    """An alignment that is easy to see."""

    def dist_align(self, algorithm: Any, probs_x_ulb: torch.Tensor) -> torch.Tensor:
        return probs_x_ulb.flip(-1)


def test_weak_views_are_looked_at_without_a_gradient_and_aligned_where_asked() -> None:
    algorithm = build(our_class("fixmatch"))
    logits = weak_of(PROBS).logits.requires_grad_()
    views = Views(logits, logits, logits, {}, None)
    positions = torch.tensor([4, 5, 6])
    plain = algorithm.rule.weak(algorithm, views, positions)
    assert not plain.logits.requires_grad and not plain.probs.requires_grad
    assert plain.indices is positions and plain.probs_lb is None
    torch.testing.assert_close(plain.probs, weak_of(PROBS).probs)
    algorithm.register_hook(Reversed(), "DistAlignHook")
    aligned = algorithm.rule.weak(algorithm, views, None)
    torch.testing.assert_close(aligned.probs, weak_of(PROBS).probs.flip(-1))
    torch.testing.assert_close(aligned.logits, logits.detach())


def test_a_rule_on_logits_makes_its_own_probabilities() -> None:
    """Any shift of a row's logits leaves them; the aligned probabilities beside them are not asked."""
    weak = weak_of(PROBS)
    shifted = Weak(
        weak.logits + torch.tensor([[3.0], [-2.0], [0.5]]), weak.probs.flip(0), None, None
    )
    found = LogitsRule().confidence(None, shifted)
    torch.testing.assert_close(found, torch.tensor([0.7, 0.6, 0.8]).double())
