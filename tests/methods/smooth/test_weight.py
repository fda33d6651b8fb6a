"""Phi against the paper's statements: continuity, Eq. 17, the limits of the family, and C.2."""

import math

import pytest
import torch

from usb_ext.methods.smooth.weight import factor_loss, factor_loss_limit, smooth_weight

TAU = 0.95


def grid(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("tau", [0.0, 0.5, TAU])
@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0, 1.7])
def test_values_against_a_loop(tau: float, mu: float) -> None:
    scores = torch.linspace(0.0, 1.0, 41, dtype=torch.float64)
    expected = []
    for s in scores.tolist():
        expected.append(((s - tau) / (1 - tau)) ** mu if s > tau else 0.0)
    torch.testing.assert_close(smooth_weight(scores, tau, mu), grid(*expected))
    assert smooth_weight(grid(1.0), tau, mu).item() == pytest.approx(1.0)


def test_a_threshold_for_each_example() -> None:
    found = smooth_weight(grid(0.6, 0.6, 0.6, 1.0), grid(0.2, 0.6, 0.9, 1.0))
    torch.testing.assert_close(found, grid(0.5, 0.0, 0.0, 0.0))


def loss_of(s: float, tau: float, mu: float) -> float:
    """The integrated loss of Eq. 17 by numerical integration: - int_tau^s Phi(u) / u du."""
    steps = 20_000
    width = (s - tau) / steps
    middles = tau + width * (torch.arange(steps, dtype=torch.float64) + 0.5)
    return -float((((middles - tau) / (1 - tau)) ** mu / middles).sum() * width) if s > tau else 0.0


def eq_17(s: float, tau: float) -> float:
    """The closed form for the linear factor."""
    return -(s - tau - tau * math.log(s / tau)) / (1 - tau) if s > tau else 0.0


def test_closed_form_of_eq_17_is_the_integral() -> None:
    for s in (0.9, 0.96, 0.99, 1.0):
        assert eq_17(s, TAU) == pytest.approx(loss_of(s, TAU, 1.0), abs=1e-10)


def pseudo_label_gradient(s: float, tau: float, mu: float) -> float:
    """Autograd's derivative of sg(Phi(s)) * (-log s), Eqs. 14 and 19."""
    score = torch.tensor([s], dtype=torch.float64, requires_grad=True)
    (smooth_weight(score, tau, mu).detach() * -score.log()).sum().backward()
    assert score.grad is not None
    return score.grad.item()


@pytest.mark.parametrize("s", [0.3, 0.949, 0.951, 0.97, 0.999])
def test_the_gradient_is_the_derivative_of_eq_17(s: float) -> None:
    h = 1e-6
    numeric = (eq_17(s + h, TAU) - eq_17(s - h, TAU)) / (2 * h)
    assert pseudo_label_gradient(s, TAU, 1.0) == pytest.approx(numeric, abs=1e-7)


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
def test_value_and_derivative_of_the_loss_are_continuous_at_tau(mu: float) -> None:
    """One-sided difference quotients of the integrated loss, and the gradient that training sees."""
    ends = []
    for h in (1e-2, 1e-4, 1e-6):
        right = (loss_of(TAU + h, TAU, mu) - loss_of(TAU, TAU, mu)) / h
        ends.append(abs(right))
        assert loss_of(TAU - h, TAU, mu) == 0.0
        assert pseudo_label_gradient(TAU - h, TAU, mu) == 0.0
        assert abs(pseudo_label_gradient(TAU + h, TAU, mu)) <= (h / (1 - TAU)) ** mu / TAU * 1.001
    assert ends[0] > ends[1] > ends[2] and ends[2] < 5e-3


def test_small_exponents_approach_the_hard_threshold_away_from_tau() -> None:
    scores = grid(0.2, 0.9, 0.96, 0.98, 1.0)
    hard = grid(0.0, 0.0, 1.0, 1.0, 1.0)
    gaps = [float((smooth_weight(scores, TAU, mu) - hard).abs().max()) for mu in (1, 0.1, 1e-4)]
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-3


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
def test_factor_loss_and_its_derivative(mu: float) -> None:
    """By hand: d/ds of - sg(Phi) Phi is - Phi * mu x^(mu - 1) / (1 - tau); 0 at and below tau."""
    score = grid(0.5, TAU, 0.96, 0.99).requires_grad_()
    loss = factor_loss(score, TAU, mu)
    loss.sum().backward()
    for s, value, slope in zip(score.tolist(), loss.tolist(), score.grad.tolist(), strict=True):
        x = (s - TAU) / (1 - TAU)
        assert value == pytest.approx(-(x ** (2 * mu)) if x > 0 else 0.0)
        assert slope == pytest.approx(-mu * x ** (2 * mu - 1) / (1 - TAU) if x > 0 else 0.0)


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("weight", [1.0, 3.5])
def test_at_its_limit_the_factor_pulls_as_hard_as_the_pseudo_label(
    mu: float, weight: float
) -> None:
    score = grid(0.96, 0.99).requires_grad_()
    limit = factor_loss_limit(score.detach(), TAU, weight, mu)
    (limit * factor_loss(score, TAU, mu)).sum().backward()
    pulls = [weight * pseudo_label_gradient(s, TAU, mu) for s in score.tolist()]
    torch.testing.assert_close(score.grad, grid(*pulls))


def test_limit_of_the_linear_factor_is_the_papers() -> None:
    assert factor_loss_limit(grid(0.98), 0.95, 2.0).item() == pytest.approx(2.0 * 0.05 / 0.98)
