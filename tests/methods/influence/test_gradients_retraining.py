"""Where the exact inverse beats the identity: both against retraining on moons, beside the page's numbers.

A last layer on 50 fixed random features is trained to its minimum; then one unlabelled point after the other
is left out and the layer is trained again. The change of the validation loss is what Eq. 6 predicts.
"""

import csv
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import make_moons

from usb_ext.methods.influence.gradients import (
    InverseSettings,
    cosine,
    inverse_product,
    weight_gradients,
)
from usb_ext.methods.influence.last_layer import Curvature, mean_gradient, residuals, with_bias

PAGE = Path(__file__).parents[3] / "docs" / "results" / "influence_toys" / "retraining.csv"
WIDTH, DECAY, U = 50, 1e-3, 100


def points(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    places, classes = make_moons(n, noise=0.1, random_state=seed)
    generator = torch.Generator().manual_seed(0)  # one layer of random features for all
    first = torch.randn(3, WIDTH, generator=generator, dtype=torch.float64)
    features = torch.relu(with_bias(torch.tensor(places), True) @ first)
    return with_bias(features, True), torch.tensor(classes)


(X_LB, Y_LB), (X_ULB, TRUE), (X_VAL, Y_VAL) = points(10, 0), points(U, 1), points(30, 2)
GIVEN = torch.where(
    torch.arange(U) % 5 == 0, 1 - TRUE, TRUE
)  # a fifth of the pseudo-labels is wrong


def curvature_at(kernel: torch.Tensor, weights: torch.Tensor, shift: float) -> Curvature:
    features = torch.cat((X_LB, X_ULB))
    shares = torch.cat((torch.full((10,), 0.1).double(), weights / U))
    return Curvature(torch.softmax(features @ kernel.T, dim=-1), features, shares, shift)


def trained(weights: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """The minimum of mean CE + weighted mean CE + DECAY / 2 ||W||^2, by damped Newton steps."""

    def loss(at: torch.Tensor) -> torch.Tensor:
        unlabelled = F.cross_entropy(X_ULB @ at.T, GIVEN, reduction="none")
        labelled = F.cross_entropy(X_LB @ at.T, Y_LB)
        return labelled + (weights * unlabelled).mean() + DECAY / 2 * at.square().sum()

    for _ in range(60):
        leaf = kernel.clone().requires_grad_()
        value = loss(leaf)
        (slope,) = torch.autograd.grad(value, leaf)
        if slope.abs().max() < 1e-11:
            return kernel
        bend = curvature_at(kernel, weights, DECAY).matrix()
        step, size = torch.linalg.solve(bend, slope.flatten()).view_as(kernel), 1.0
        while loss(kernel - size * step) > value and size > 1e-3:
            size /= 2
        kernel = kernel - size * step
    raise AssertionError("Newton did not converge")


def measured() -> dict[str, tuple[float, float, float]]:
    """Of each way: cosine to the identity, correlation with retraining, share of equal signs."""
    even = torch.ones(U, dtype=torch.float64)
    kernel = trained(even, torch.zeros(2, WIDTH + 1, dtype=torch.float64))
    before, changes = F.cross_entropy(X_VAL @ kernel.T, Y_VAL), []
    for u in range(U):
        without = even.clone()
        without[u] = 0.0
        after = F.cross_entropy(X_VAL @ trained(without, kernel).T, Y_VAL)
        changes.append(before - after)
    real = torch.stack(changes)
    right = mean_gradient(residuals(X_VAL @ kernel.T, Y_VAL), X_VAL)
    diagonal = curvature_at(kernel, even, 0.0).mean_diagonal
    found = {}
    ways = {"identity": 0.0, "damping 1": 1.0}
    ways |= {f"trace x {share:g}": share * diagonal for share in (100, 10, 1, 0.1, 0.01)}
    for name, damping in ways.items():
        kind = "identity" if name == "identity" else "exact"
        bent = curvature_at(kernel, even, damping + DECAY)
        value = inverse_product(bent, right, InverseSettings(kind)).value
        told = weight_gradients(value, residuals(X_ULB @ kernel.T, GIVEN), X_ULB)
        found[name] = (
            cosine(value, right).item(),
            torch.corrcoef(torch.stack((told, real)))[0, 1].item(),
            (told.sign() == real.sign()).double().mean().item(),
        )
    return found


def test_the_exact_inverse_tells_retraining_where_the_identity_does_not() -> None:
    found = measured()
    with PAGE.open(encoding="utf-8", newline="") as file:
        rows = {row["inverse"]: row for row in csv.DictReader(file)}
    assert rows.keys() == found.keys()
    for name, (turned, correlation, signs) in found.items():
        row = rows[name]
        assert float(row["cosine"]) == pytest.approx(turned, abs=2e-3)
        assert float(row["correlation"]) == pytest.approx(correlation, abs=2e-3)
        assert float(row["equal_signs"]) == pytest.approx(signs, abs=0.02)
    assert found["trace x 0.01"][1] > found["identity"][1]
