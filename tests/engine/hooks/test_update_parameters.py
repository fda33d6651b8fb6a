"""The optimizer step against a loop by hand, and the order of a scaled one."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from usb_ext.engine.hooks.update import ParameterUpdateHook

LR = 0.1


class Scaler:
    """A gradient scaler by a power of two that notes what it is asked to do."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        self.calls.append("scale")
        return loss * 1024

    def unscale_(self, optimizer: Any) -> None:
        self.calls.append("unscale")
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad.div_(1024)

    def step(self, optimizer: Any) -> None:
        if "unscale" not in self.calls:
            self.unscale_(optimizer)
            self.calls.remove("unscale")
        self.calls.append("step")
        optimizer.step()

    def update(self) -> None:
        self.calls.append("update")


def algorithm(clip: float, scheduled: bool = True, scaler: Any = None) -> Any:
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    halving = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    return SimpleNamespace(
        model=model,
        optimizer=optimizer,
        scheduler=halving if scheduled else None,
        loss_scaler=scaler or torch.amp.GradScaler("cpu", enabled=False),
        clip_grad=clip,
        out_dict={},
    )


def step(run: Any, seed: int) -> None:
    torch.manual_seed(seed)
    outputs = run.model(torch.randn(5, 3, dtype=torch.float64))
    run.out_dict = {"loss": (outputs**2).sum()}
    ParameterUpdateHook().after_train_step(run)


def by_hand(clip: float, steps: int, halved: bool) -> list[torch.Tensor]:
    """SGD with the gradient of sum (xW'+b)^2 written out, clipped by its global norm."""
    model = algorithm(clip).model
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    for seed in range(steps):
        torch.manual_seed(seed)
        inputs = torch.randn(5, 3, dtype=torch.float64)
        outputs = inputs @ weight.T + bias
        by_weight, by_bias = 2 * outputs.T @ inputs, 2 * outputs.sum(0)
        norm = (by_weight.square().sum() + by_bias.square().sum()).sqrt()
        factor = clip / (norm + 1e-6) if 0 < clip < norm else 1.0
        rate = LR * (0.5**seed if halved else 1.0)
        weight -= rate * factor * by_weight
        bias -= rate * factor * by_bias
    return [weight, bias]


@pytest.mark.parametrize("scheduled", [True, False])
@pytest.mark.parametrize("clip", [0, 0.5, 1e6])
def test_three_steps_are_those_by_hand(clip: float, scheduled: bool) -> None:
    run = algorithm(clip, scheduled)
    for seed in range(3):
        step(run, seed)
    wanted = by_hand(clip, 3, halved=scheduled)
    torch.testing.assert_close([p.detach() for p in run.model.parameters()], wanted)
    assert all(p.grad is None or not p.grad.any() for p in run.model.parameters())


@pytest.mark.parametrize(
    ("clip", "order"),
    [(0, ["scale", "step", "update"]), (0.5, ["scale", "unscale", "step", "update"])],
)
def test_gradients_are_unscaled_before_they_are_clipped(clip: float, order: list[str]) -> None:
    scaler = Scaler()
    run = algorithm(clip, scaler=scaler)
    step(run, 0)
    assert scaler.calls == order
    wanted = by_hand(clip, 1, halved=True)
    torch.testing.assert_close([p.detach() for p in run.model.parameters()], wanted)
