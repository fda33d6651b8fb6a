"""One weight for all against retraining: central differences, with a threshold, in float64."""

import contextlib
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.methods.influence.gradients import InverseSettings
from usb_ext.methods.influence.hook import InfluenceWeightingHook
from usb_ext.methods.influence.update import InfluenceOptions

CLASSES, DIM, B, U, V, SCALE, SHIFT, LR = 3, 4, 12, 20, 30, 1.5, 0.3, 0.1


class Linear(nn.Module):
    """A network that is its own last layer, so that retraining it is a convex problem."""

    def __init__(self, kernel: torch.Tensor) -> None:
        super().__init__()
        self.classifier = nn.Linear(DIM, CLASSES, bias=False).double()
        self.classifier.weight.data = kernel

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.classifier(x)}


def points(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(CLASSES, (n,), generator=generator)
    noise = torch.randn(n, DIM, generator=generator, dtype=torch.float64)
    return 1.5 * torch.eye(CLASSES, DIM).double()[classes] + noise, classes


(X_LB, Y_LB), (X_ULB, _), (X_VAL, Y_VAL) = points(B, 0), points(U, 1), points(V, 2)


def labelled_by(kernel: torch.Tensor, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Pseudo-labels (U,) and the mask (U,) of a threshold, constants of the objective."""
    sure, targets = torch.softmax(X_ULB @ kernel.T, dim=-1).max(dim=-1)
    return targets, (sure > threshold).double()


def trained(weight: float, targets: torch.Tensor, mask: torch.Tensor, count: float) -> torch.Tensor:
    """The minimum of the step's objective with the shared weight, by Newton steps."""

    def objective(flat: torch.Tensor) -> torch.Tensor:
        kernel = flat.view(CLASSES, DIM)
        unlabelled = F.cross_entropy(X_ULB @ kernel.T, targets, reduction="none")
        held_in = F.cross_entropy(X_LB @ kernel.T, Y_LB)
        decay = SHIFT / 2 * flat.square().sum()
        return held_in + SCALE * weight * (mask * unlabelled).sum() / count + decay

    flat = torch.zeros(CLASSES * DIM, dtype=torch.float64)
    for _ in range(30):
        leaf = flat.clone().requires_grad_()
        (slope,) = torch.autograd.grad(objective(leaf), leaf)
        bend = torch.autograd.functional.hessian(objective, flat)
        flat = flat - torch.linalg.solve(bend, slope)
    assert slope.abs().max() < 1e-12
    return flat.view(CLASSES, DIM)


@pytest.mark.parametrize("threshold", [0.0, 0.6])
@pytest.mark.parametrize("mean", ["batch", "selected"])
@pytest.mark.parametrize("start", [1.0, 0.25, 0.0])
def test_it_moves_along_the_derivative_of_the_loss_that_is_trained(
    threshold: float, mean: str, start: float
) -> None:
    targets, mask = labelled_by(trained(0.0, Y_LB[:1].expand(U), torch.zeros(U), 1.0), threshold)
    assert mask.sum() == U if threshold == 0 else 3 < mask.sum() < U - 3
    count = U if mean == "batch" else mask.sum().item()
    small, sides = 1e-4, []
    for sign in (1, -1):
        kernel = trained(start + sign * small, targets, mask, count)
        sides.append(F.cross_entropy(X_VAL @ kernel.T, Y_VAL).item())
    derivative = (sides[0] - sides[1]) / (2 * small)

    model = Linear(trained(start, targets, mask, count))
    options = InfluenceOptions(
        every=1, lr=LR, optimizer="sgd", single=True, weight_max=math.inf, bias=False, scope="head",
        shift=SHIFT, inverse=InverseSettings("exact"), mean=mean,
    )  # fmt: skip
    hook = InfluenceWeightingHook(model.classifier, torch.full((U,), start).double(), options)
    loader: Any = type("Loader", (list,), {})([{"x_lb": X_VAL, "y_lb": Y_VAL}])
    loader.batch_sampler = SimpleNamespace(start_iter=0)
    run: Any = SimpleNamespace(
        it=0, model=model, log_dict={}, amp_cm=contextlib.nullcontext, loader_dict={"val": loader}
    )
    hook.see(X_LB, Y_LB, X_ULB)
    hook.remember(targets, hook.weigh(mask, torch.arange(U)), SCALE)
    hook.after_train_step(run)
    assert abs(derivative) > 1e-3
    wanted = max(0.0, start - LR * derivative)
    assert hook.weights[0].item() == pytest.approx(wanted, abs=1e-7 * LR)
    assert start > 0 or wanted > 0  # at 0 the clip must not be what is tested
