"""Avg-Clustering against autograd and a recurrence unrolled by hand (LayerMatch, Eq. 8)."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.functional.avg_clustering import averaged_head_gradient, averaged_step
from usb_ext.hooks.avg_clustering import AvgClusteringHook
from usb_ext.hooks.head_tap import HeadTap

BATCH, DIM, CLASSES = 6, 4, 3
LR, MOMENTUM = 0.8, 0.7  # large, so that a wrong step is far outside the tolerance


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def some_targets(kind: str, seed: int) -> torch.Tensor:
    if kind == "hard":
        return torch.randint(CLASSES, (BATCH,), generator=generator(seed))
    soft = torch.softmax(normal(BATCH, CLASSES, seed=seed), dim=-1)
    return soft if kind == "soft" else 0.6 * soft  # `unnormalised`: rows that do not sum to 1


def weights_of(step: int) -> torch.Tensor:
    drawn = torch.rand(BATCH, generator=generator(100 + step), dtype=torch.float64)
    return torch.where(drawn > 0.5, drawn, 0.0)


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, reduction: str) -> torch.Tensor:
    assert reduction == "none"
    log = torch.log_softmax(logits, dim=-1)
    if targets.ndim == 1:
        return -log[torch.arange(len(targets)), targets]
    return -(targets * log).sum(dim=-1)


def toy(bias: bool = True) -> tuple[Any, nn.Linear]:
    torch.manual_seed(2)
    head = nn.Linear(DIM, CLASSES, bias=bias).double()
    return SimpleNamespace(it=0, ce_loss=cross_entropy), head


def hook_on(head: nn.Linear, period: int, mean: str = "batch") -> AvgClusteringHook:
    return AvgClusteringHook(HeadTap(head), period, MOMENTUM, LR, mean)


@pytest.mark.parametrize("kind", ["hard", "soft", "unnormalised"])
def test_the_closed_form_is_the_gradient(kind: str) -> None:
    features, weights = normal(BATCH, DIM, seed=0), weights_of(0)
    weight = normal(CLASSES, DIM, seed=1).requires_grad_()
    bias = normal(CLASSES, seed=2).requires_grad_()
    targets = some_targets(kind, 3)
    logits = F.linear(features, weight, bias)
    loss = (weights * cross_entropy(logits, targets, "none")).sum()
    wanted = torch.autograd.grad(loss, [weight, bias])
    got = averaged_head_gradient(features, logits.detach(), targets, weights)
    torch.testing.assert_close(got, tuple(wanted))


def test_a_step_is_the_papers_form_and_makes_a_new_tensor() -> None:
    head, gradient = normal(CLASSES, DIM, seed=4), normal(CLASSES, DIM, seed=5)
    before = head.clone()
    got = averaged_step(head, gradient, LR, MOMENTUM)
    torch.testing.assert_close(got, MOMENTUM * head + (1 - MOMENTUM) * (head - LR * gradient))
    assert torch.equal(head, before)
    assert got.data_ptr() != head.data_ptr()


class Unrolled:
    """Eq. 8 in NumPy, example by example: the paper's two cases and nothing else."""

    def __init__(self, period: int) -> None:
        self.period = period
        self.head = np.zeros((0, 0))

    def step(self, t: int, head: np.ndarray, features: Any, labels: Any, weights: Any) -> float:
        """Rows of `head` and `self.head` are (weight, bias); returns the loss before the step."""
        if t % self.period == 0:
            self.head = head.copy()
        loss, gradient = 0.0, np.zeros_like(self.head)
        for feature, label, weight in zip(features, labels, weights, strict=True):
            extended = np.append(feature, 1.0)
            scores = np.exp(self.head @ extended)
            probabilities = scores / scores.sum()
            loss -= weight / BATCH * np.log(probabilities[label])
            for c in range(CLASSES):
                slope = probabilities[c] - (c == label)
                gradient[c] += weight / BATCH * slope * extended
        stepped = self.head - LR * gradient
        self.head = MOMENTUM * self.head + (1 - MOMENTUM) * stepped
        return float(loss)


def as_rows(weight: torch.Tensor, bias: torch.Tensor) -> np.ndarray:
    return torch.cat((weight, bias[:, None]), dim=1).detach().numpy().copy()


def drive(hook: AvgClusteringHook, run: Any, head: nn.Linear, steps: range) -> list[float]:
    """Losses of some steps, while the head walks as an optimizer would make it walk."""
    losses = []
    for t in steps:
        run.it = t
        with torch.no_grad():
            head.weight.copy_(normal(CLASSES, DIM, seed=200 + t))
            head.bias.copy_(normal(CLASSES, seed=300 + t))
        features = normal(BATCH, DIM, seed=400 + t).requires_grad_()
        loss = hook.loss(run, features, some_targets("hard", 500 + t), weights_of(t))
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("period", [1, 3, 50])
def test_the_averaged_head_follows_the_unrolled_recurrence(period: int) -> None:
    run, head = toy()
    hook, oracle = hook_on(head, period), Unrolled(period)
    for t in range(8):
        (loss,) = drive(hook, run, head, range(t, t + 1))
        features, labels = normal(BATCH, DIM, seed=400 + t), some_targets("hard", 500 + t)
        rows = as_rows(head.weight, head.bias)
        wanted = oracle.step(t, rows, features.numpy(), labels.numpy(), weights_of(t).numpy())
        assert loss == pytest.approx(wanted, rel=1e-12)
        assert hook.weight is not None and hook.bias is not None
        np.testing.assert_allclose(
            as_rows(hook.weight, hook.bias), oracle.head, rtol=1e-12, atol=1e-14
        )
        if period == 1:  # the loss of a step goes through the head as it stands
            logits = F.linear(features, head.weight, head.bias)
            plain = (weights_of(t) * cross_entropy(logits, labels, "none")).sum() / BATCH
            assert loss == pytest.approx(plain.item(), rel=1e-12)


def test_a_head_without_bias() -> None:
    run, head = toy(bias=False)
    hook = hook_on(head, 5)
    features, labels = normal(BATCH, DIM, seed=0), some_targets("hard", 1)
    start = head.weight.detach().clone().requires_grad_()
    loss = hook.loss(run, features, labels, weights_of(0))
    oracle = (weights_of(0) * F.cross_entropy(features @ start.T, labels, reduction="none")).sum()
    (gradient,) = torch.autograd.grad(oracle / BATCH, [start])
    assert loss.item() == pytest.approx(oracle.item() / BATCH, rel=1e-12)
    assert hook.bias is None
    torch.testing.assert_close(hook.weight, start.detach() - (1 - MOMENTUM) * LR * gradient)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_the_gradient_reaches_the_features_alone(kind: str) -> None:
    run, head = toy()
    hook = hook_on(head, 10)
    features = normal(BATCH, DIM, seed=0).requires_grad_()
    targets, weights = some_targets(kind, 1), weights_of(1)
    loss = hook.loss(run, features, targets, weights)
    loss.backward()
    assert head.weight.grad is None and head.bias.grad is None
    assert hook.weight is not None and not hook.weight.requires_grad

    again = features.detach().clone().requires_grad_()
    logits = again @ head.weight.detach().T + head.bias.detach()
    (cross_entropy(logits, targets, "none") * weights).sum().div(BATCH).backward()
    torch.testing.assert_close(features.grad, again.grad)


@pytest.mark.parametrize("mean", ["batch", "selected"])
def test_nothing_selected_gives_nothing(mean: str) -> None:
    run, head = toy()
    hook = hook_on(head, 10, mean)
    features = normal(BATCH, DIM, seed=0).requires_grad_()
    loss = hook.loss(run, features, some_targets("hard", 1), torch.zeros(BATCH).double())
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(features.grad, torch.zeros_like(features))
    assert torch.equal(hook.weight, head.weight)
    assert torch.equal(hook.bias, head.bias)


@pytest.mark.parametrize("mean", ["batch", "selected"])
def test_what_the_loss_is_divided_by(mean: str) -> None:
    run, head = toy()
    features, labels, weights = normal(BATCH, DIM, seed=0), some_targets("hard", 1), weights_of(1)
    total, count = 0.0, 0
    for i in range(BATCH):
        scores = torch.exp(head.weight @ features[i] + head.bias)
        total -= (weights[i] * torch.log(scores[labels[i]] / scores.sum())).item()
        count += int(weights[i] > 0)
    assert 0 < count < BATCH
    got = hook_on(head, 10, mean).loss(run, features, labels, weights).item()
    assert got == pytest.approx(total / (BATCH if mean == "batch" else count), rel=1e-12)


@pytest.mark.parametrize("stop", [1, 4, 5])
def test_a_restored_hook_goes_on_in_the_middle_of_a_cycle(stop: int) -> None:
    run, head = toy()
    whole = hook_on(head, 3)
    losses = drive(whole, run, head, range(8))

    first = hook_on(head, 3)
    drive(first, run, head, range(stop))
    state = {k: None if v is None else v.clone() for k, v in first.state_dict().items()}
    second = hook_on(head, 3)
    second.load_state_dict(state)
    assert drive(second, run, head, range(stop, 8)) == losses[stop:]
    assert torch.equal(second.weight, whole.weight)
    assert torch.equal(second.bias, whole.bias)


def test_the_state_before_the_first_step_is_empty_and_restores() -> None:
    _, head = toy()
    hook, other = hook_on(head, 3), hook_on(head, 3)
    assert hook.state_dict() == {"weight": None, "bias": None}
    other.load_state_dict(hook.state_dict())
    assert other.weight is None and other.bias is None


def test_half_precision_features_move_a_full_precision_head() -> None:
    run, head = toy()
    head.float()
    hook = hook_on(head, 10)
    features = normal(BATCH, DIM, seed=0).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hook.loss(run, features, some_targets("hard", 1), weights_of(1).float())
    assert hook.weight is not None
    assert hook.weight.dtype == torch.float32
    assert (hook.weight - head.weight).abs().max() > 1e-3
