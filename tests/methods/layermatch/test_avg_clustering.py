"""Avg-Clustering against autograd and a recurrence unrolled by hand (LayerMatch, Eq. 8)."""

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.run import assert_same_state
from torch import nn

from usb_ext.methods.layermatch.avg_clustering import (
    AvgClusteringHook,
    averaged_head_gradient,
    step_drift,
)
from usb_ext.methods.step.head_tap import HeadTap

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


def test_a_step_of_the_drift_is_the_papers_form() -> None:
    base, gradient = normal(CLASSES, DIM, seed=4), normal(CLASSES, DIM, seed=5)
    drift = normal(CLASSES, DIM, seed=6)
    before = base + drift
    got = step_drift(drift, gradient, LR, MOMENTUM)
    wanted = MOMENTUM * before + (1 - MOMENTUM) * (before - LR * gradient)
    torch.testing.assert_close(base + got, wanted)
    assert got is drift


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
        np.testing.assert_allclose(as_rows(**hook.averaged()), oracle.head, rtol=1e-12, atol=1e-14)
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
    assert hook.averaged().keys() == {"weight"}
    wanted = start.detach() - (1 - MOMENTUM) * LR * gradient
    torch.testing.assert_close(hook.averaged()["weight"], wanted)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_the_gradient_reaches_the_features_alone(kind: str) -> None:
    run, head = toy()
    hook = hook_on(head, 10)
    features = normal(BATCH, DIM, seed=0).requires_grad_()
    targets, weights = some_targets(kind, 1), weights_of(1)
    loss = hook.loss(run, features, targets, weights)
    loss.backward()
    assert head.weight.grad is None and head.bias.grad is None
    assert not any(part.requires_grad for part in hook.averaged().values())

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
    assert torch.equal(hook.averaged()["weight"], head.weight)
    assert torch.equal(hook.averaged()["bias"], head.bias)


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
    state = first.state_dict()
    second = hook_on(head, 3)
    second.load_state_dict(state)
    kept = copy.deepcopy(state)
    assert drive(second, run, head, range(stop, 8)) == losses[stop:]
    assert_same_state(state, kept)  # the restored hook moves its own copy
    assert_same_state(second.state_dict(), whole.state_dict())


def test_the_state_before_the_first_step_is_empty_and_restores() -> None:
    _, head = toy()
    hook, other = hook_on(head, 3), hook_on(head, 3)
    assert hook.state_dict() == {"base": {}, "drift": {}}
    other.load_state_dict(hook.state_dict())
    assert other.averaged() == {}


def test_half_precision_features_move_a_full_precision_head() -> None:
    run, head = toy()
    head.float()
    hook = hook_on(head, 10)
    features = normal(BATCH, DIM, seed=0).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hook.loss(run, features, some_targets("hard", 1), weights_of(1).float())
    averaged = hook.averaged()["weight"]
    assert averaged.dtype == torch.float32
    assert (averaged - head.weight).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_round_the_step(dtype: torch.dtype) -> None:
    """The loss is computed in half; the step follows its gradient, small shares included."""
    run, head = toy()
    head.float()
    hook, weights = hook_on(head, 10), 1e-5 * weights_of(1)
    features, labels = normal(BATCH, DIM, seed=0).to(dtype), some_targets("hard", 1)
    with torch.autocast("cpu", dtype=dtype):
        logits = head(features).detach().double()
        hook.loss(run, features, labels, weights.float())
    known = F.one_hot(labels, CLASSES)
    residual = (torch.softmax(logits, dim=-1) - known) * weights[:, None] / BATCH
    wanted = -(1 - MOMENTUM) * LR * residual.T @ features.double()
    assert relative(hook.drift["weight"], wanted) < 1e-6


STEPS, WIDTH, SIZE, CHOICES, WEIGHT = 1500, 32, 14, 10, 0.02
"""Head inputs of width 32, 10 classes, examples whose weights say: few selected, or well learnt."""


def persistent_batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Head inputs (after a ReLU) and labels whose gradient points the same way for long."""
    features = torch.randn(SIZE, WIDTH, generator=generator(step)).relu()
    return features, torch.randint(3, (SIZE,), generator=generator(step))


def slope(head: torch.Tensor, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Gradient (C, d + 1) of the weighted mean cross-entropy, in the dtype of `head` (C, d + 1)."""
    inputs = F.pad(features.to(head), (0, 1), value=1.0)
    residual = torch.softmax(inputs @ head.T, dim=-1)
    residual[torch.arange(SIZE), labels] -= 1.0
    return residual.T @ inputs * WEIGHT / SIZE


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found.double() - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_too_small_for_the_weights_are_not_lost(dtype: torch.dtype) -> None:
    """alpha = 5e-4 and m = 0.999: written with the weights themselves, float32 loses it."""
    torch.manual_seed(3)
    head = nn.Linear(WIDTH, CHOICES).to(dtype)
    hook = AvgClusteringHook(HeadTap(head), STEPS, 0.999, 5e-4, "batch")
    start = torch.cat((head.weight, head.bias[:, None]), dim=1).detach().float()
    exact, naive, once = start.double(), start.clone(), start.clone()
    for t in range(STEPS):
        features, labels = persistent_batch(t)
        hook.loss(SimpleNamespace(it=t), features, labels, torch.full((SIZE,), WEIGHT))
        exact = 0.999 * exact + 0.001 * (exact - 5e-4 * slope(exact, features, labels))
        naive = 0.999 * naive + 0.001 * (naive - 5e-4 * slope(naive, features, labels))
        once = once - (1 - 0.999) * 5e-4 * slope(once, features, labels)
    moved = exact - start.double()
    drift = torch.cat((hook.drift["weight"], hook.drift["bias"][:, None]), dim=1)
    assert relative(drift, moved) < 1e-5
    assert relative(once - start, moved) > 0.5
    assert relative(naive - start, moved) > 0.5
    assert hook.base["weight"].dtype == dtype and drift.dtype == torch.float32


def test_a_head_in_half_precision_moves_and_keeps_its_graph_in_half() -> None:
    run, head = toy()
    head.bfloat16()
    hook = hook_on(head, 10)
    features = normal(BATCH, DIM, seed=0).bfloat16().requires_grad_()
    hook.loss(run, features, some_targets("hard", 1), torch.ones(BATCH)).backward()
    assert features.grad is not None and features.grad.dtype == torch.bfloat16
    wanted = head.weight.double() - hook.averaged()["weight"].double()
    bar = nn.Linear(DIM, CLASSES).double()
    bar.load_state_dict(head.state_dict())
    oracle = F.cross_entropy(bar(features.detach().double()), some_targets("hard", 1))
    (gradient,) = torch.autograd.grad(oracle, [bar.weight])
    assert relative(wanted, (1 - MOMENTUM) * LR * gradient) < 0.02  # bfloat16 keeps 8 bits
