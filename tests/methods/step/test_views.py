"""The forward pass of a weak/strong method: order of the rows, gradients, and what the tap gets."""

from typing import Any

import pytest
import torch
from torch import nn

from usb_ext.methods.step.head_tap import HeadTap
from usb_ext.methods.step.views import (
    Views,
    forward_apart,
    forward_together,
    rows_with_weight,
)

LABELLED, UNLABELLED, DIM, FEATURES, CLASSES = 3, 4, 5, 6, 2


class Network(nn.Module):
    """Batch norm mixes the rows of a pass, so the order and number of passes show in the outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(DIM, FEATURES), nn.BatchNorm1d(FEATURES), nn.Tanh())
        self.fc = nn.Linear(FEATURES, CLASSES)
        self.tap: HeadTap | None = None
        self.passes: list[tuple[Any, bool, int | None]] = []

    def forward(self, x: Any) -> dict[str, torch.Tensor]:
        announced = None if self.tap is None else self.tap.labelled_rows
        self.passes.append((x, torch.is_grad_enabled(), announced))
        feat = self.body(x["image"] if isinstance(x, dict) else x)
        return {"logits": self.fc(feat), "feat": feat}


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = (LABELLED, UNLABELLED, UNLABELLED)
    lb, w, s = (torch.randn(n, DIM, generator=generator, dtype=torch.float64) for n in sizes)
    return lb, w, s


def network(tapped: bool, grad_relu: bool = False) -> Network:
    net = Network().double().train()
    if tapped:
        net.tap = HeadTap(net.fc)
        net.tap.grad_relu = grad_relu
    return net


def plain(net: Network, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and logits of one pass, written out with the batch's own statistics."""
    linear, norm = net.body[0], net.body[1]
    z = x @ linear.weight.T + linear.bias
    z = (z - z.mean(0)) / torch.sqrt(z.var(0, unbiased=False) + norm.eps)
    feat = torch.tanh(z * norm.weight + norm.bias)
    return feat, feat @ net.fc.weight.T + net.fc.bias


def assert_views(views: Views, feats: list[torch.Tensor], logits: list[torch.Tensor]) -> None:
    got_logits = [views.logits_lb, views.logits_w, views.logits_s]
    torch.testing.assert_close(got_logits, logits)
    assert list(views.feats) == ["x_lb", "x_ulb_w", "x_ulb_s"]
    torch.testing.assert_close(list(views.feats.values()), feats)


@pytest.mark.parametrize("tapped", [True, False])
def test_together_is_one_pass_over_all_rows(tapped: bool) -> None:
    net, (lb, w, s) = network(tapped), inputs()
    feat, logit = plain(net, torch.cat((lb, w, s)))
    views = forward_together(net, lb, w, s, net.tap)
    assert len(net.passes) == 1
    cuts = (LABELLED, UNLABELLED, UNLABELLED)
    assert_views(views, list(feat.split(cuts)), list(logit.split(cuts)))
    if tapped:
        assert views.head_inputs_s is not None
        torch.testing.assert_close(views.head_inputs_s, feat[LABELLED + UNLABELLED :])
        assert net.passes[0][2] == LABELLED
    else:
        assert views.head_inputs_s is None


@pytest.mark.parametrize("tapped", [True, False])
def test_apart_is_labelled_then_strong_then_weak_without_gradient(tapped: bool) -> None:
    net, (lb, w, s) = network(tapped), inputs()
    wanted = [plain(net, x) for x in (lb, w, s)]
    views = forward_apart(net, lb, w, s, net.tap)
    assert [x for x, _, _ in net.passes] == [lb, s, w]
    assert [grad for _, grad, _ in net.passes] == [True, True, False]
    assert_views(views, [f for f, _ in wanted], [y for _, y in wanted])
    assert not views.logits_w.requires_grad
    assert views.logits_lb.requires_grad and views.logits_s.requires_grad
    if tapped:
        assert views.head_inputs_s is not None
        torch.testing.assert_close(views.head_inputs_s, wanted[2][0])
        assert [rows for _, _, rows in net.passes[:2]] == [None, 0]
    else:
        assert views.head_inputs_s is None


def test_inputs_may_be_dicts_where_the_parts_go_apart() -> None:
    net, parts = network(tapped=False), inputs()
    wanted = [plain(net, x) for x in parts]
    lb, w, s = ({"image": x} for x in parts)
    views = forward_apart(net, lb, w, s, None)
    assert_views(views, [f for f, _ in wanted], [y for _, y in wanted])


@pytest.mark.parametrize("forward", [forward_together, forward_apart])
def test_the_tapped_features_carry_gradient_to_the_body_not_the_head(forward: Any) -> None:
    net = network(tapped=True)
    views = forward(net, *inputs(), net.tap)
    views.head_inputs_s.square().sum().backward()
    assert net.body[0].weight.grad.abs().max() > 0
    assert net.fc.weight.grad is None


@pytest.mark.parametrize("forward", [forward_together, forward_apart])
def test_with_grad_relu_the_head_learns_from_labelled_rows_alone(forward: Any) -> None:
    net = network(tapped=True, grad_relu=True)
    for _ in range(2):  # a second step must not see what the first announced
        net.zero_grad()
        views = forward(net, *inputs(), net.tap)
        (views.logits_lb.sum() + 5 * views.logits_s.sum()).backward()
        wanted = views.feats["x_lb"].sum(0).expand(CLASSES, FEATURES)
        torch.testing.assert_close(net.fc.weight.grad, wanted.detach())
        torch.testing.assert_close(net.fc.bias.grad, torch.full((CLASSES,), 3.0).double())
        assert LABELLED == 3


@pytest.mark.parametrize(
    ("weights", "sizes", "exact", "wanted"),
    [
        ([0, 0.5, 0, 1, 0], [5], True, [[1, 3]]),
        ([0, 0.5, 0, 1, 0], [3, 2], True, [[1], [0]]),
        ([0, 0, 0], [3], True, [[]]),
        ([0, 0, 0], [3], False, [[]]),
        ([0, 1, 0, 0, 0, 0, 0, -1], [8], False, [[1, 7]]),
        ([0, 1, 0, 0, 0, 1, 0, 1], [8], False, [[0, 1, 5, 7]]),
        ([1, 1, 1, 1, 1, 1, 1, 0], [8], False, [list(range(8))]),
        ([1, 1, 1], [3], False, [[0, 1, 2]]),
    ],
    ids=str,
)
def test_rows_with_a_weight_run_and_others_fill_up_to_a_quarter(
    weights: list[float], sizes: list[int], exact: bool, wanted: list[list[int]]
) -> None:
    found = rows_with_weight(torch.tensor(weights), sizes, exact=exact)
    assert [rows.tolist() for rows in found] == wanted
