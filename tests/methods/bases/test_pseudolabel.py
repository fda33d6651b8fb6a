"""Pseudo-Label as a base: what the equality with USB's (test_usb_equality.py) does not show."""

from types import SimpleNamespace

import pytest
import torch
from support.usb import batch, build, our_class
from torch import nn

from usb_ext.methods.bases.pseudolabel import PseudoLabelRule
from usb_ext.methods.step.views import forward_one_view
from usb_ext.upstream._loaded import semilearn
from usb_ext.upstream.usb import ALGORITHMS


@pytest.mark.parametrize(("it", "weight"), [(0, 0.0), (10, 0.75), (20, 1.5), (49, 1.5)])
def test_the_weight_rises_over_its_share_of_the_run(it: int, weight: float) -> None:
    run = SimpleNamespace(it=it, num_train_iter=50, unsup_warm_up=0.4, lambda_u=1.5)
    assert PseudoLabelRule().unsup_weight(run) == pytest.approx(weight)


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.classifier = nn.BatchNorm2d(3), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        feat = self.norm(x).mean(dim=(2, 3))
        return {"logits": self.classifier(feat), "feat": feat}


def test_weak_views_do_not_move_the_statistics_but_carry_a_gradient() -> None:
    torch.manual_seed(0)
    model, alone = Normed(), Normed()
    alone.load_state_dict(model.state_dict())
    x_lb, x_w = torch.randn(4, 3, 2, 2), 3 + torch.randn(5, 3, 2, 2)
    controller = semilearn.core.utils.misc.Bn_Controller()
    views = forward_one_view(model, x_lb, x_w, None, controller)
    alone(x_lb)
    for found, wanted in zip(model.buffers(), alone.buffers(), strict=True):
        assert torch.equal(found, wanted)
    assert views.logits_s is views.logits_w and views.logits_w.requires_grad
    assert views.head_inputs_s is None and views.logits_lb.shape == (4, 2)


def test_a_strong_view_is_ignored() -> None:
    data = batch(seed=1)
    given = {k: data[k] for k in ("x_lb", "y_lb", "x_ulb_w", "idx_ulb")}
    losses = []
    for extra in ({}, {"x_ulb_s": data["x_ulb_s"]}):
        algorithm = build(our_class("pseudolabel"), p_cutoff=0.3)
        algorithm.it = 10
        losses.append(algorithm.train_step(**given, **extra)[0]["loss"].item())
    assert losses[0] == losses[1]
    assert "pseudolabel" in ALGORITHMS
