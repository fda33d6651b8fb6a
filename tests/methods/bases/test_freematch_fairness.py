"""The fairness term against USB's own `entropy_loss`: values and gradients, random selections."""

import sys
from typing import Any

import pytest
import torch

import usb_ext.upstream.usb  # noqa: F401  (imports semilearn)
from usb_ext.methods.bases.freematch import fairness_loss

ROWS, CLASSES = 12, 5
usb_loss: Any = sys.modules["semilearn.algorithms.freematch.freematch"].entropy_loss


def case(seed: int) -> dict[str, torch.Tensor]:
    """Random logits, running means and a selection; every second case misses classes."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(ROWS, CLASSES, generator=generator, dtype=torch.float64)
    histogram = torch.rand(CLASSES, generator=generator, dtype=torch.float64)
    if seed % 2:
        logits[:, 1] -= 50.0  # never predicted on strong views
        histogram[3] = 0.0  # never predicted on weak views
    probability = torch.softmax(torch.randn(CLASSES, generator=generator).double(), dim=0)
    selected = (torch.rand(ROWS, generator=generator) < 0.15 + 0.2 * (seed % 4)).double()
    selected[seed % ROWS] = 1.0
    return {
        "selected": selected,
        "logits_strong": logits,
        "running_probability": probability,
        "running_histogram": histogram / histogram.sum(),
    }


def with_gradient(loss: Any, inputs: dict[str, torch.Tensor]) -> tuple[Any, torch.Tensor]:
    logits = inputs["logits_strong"].clone().requires_grad_()
    value = loss(**{**inputs, "logits_strong": logits})
    (gradient,) = torch.autograd.grad(value, [logits])
    return value.detach(), gradient


def usb(
    selected: torch.Tensor,
    logits_strong: torch.Tensor,
    running_probability: torch.Tensor,
    running_histogram: torch.Tensor,
) -> torch.Tensor:
    value: torch.Tensor = usb_loss(
        selected, logits_strong, running_probability.clone(), running_histogram.clone()
    )[0]
    return value


@pytest.mark.parametrize("seed", range(16))
def test_value_and_gradient_are_usbs(seed: int) -> None:
    inputs = case(seed)
    value, gradient = with_gradient(fairness_loss, inputs)
    usb_value, usb_gradient = with_gradient(usb, inputs)
    assert value.shape == ()
    torch.testing.assert_close(value, usb_value)
    torch.testing.assert_close(gradient, usb_gradient)
    assert gradient.abs().max() > 1e-6 or inputs["selected"].sum() == 1


def test_the_cases_miss_classes_and_differ_in_size() -> None:
    sizes = {int(case(seed)["selected"].sum()) for seed in range(16)}
    assert len(sizes) > 5
    predicted = {
        len(set(c["logits_strong"][c["selected"] > 0].argmax(1).tolist()))
        for c in map(case, range(16))
    }
    assert min(predicted) < CLASSES - 1 < max(predicted)


def test_any_positive_weight_selects() -> None:
    inputs = case(2)
    value = fairness_loss(**inputs)
    scaled = fairness_loss(**{**inputs, "selected": 0.3 * inputs["selected"]})
    assert torch.equal(value, scaled)
    flags = fairness_loss(**{**inputs, "selected": inputs["selected"].bool()})
    assert torch.equal(value, flags)


def test_an_empty_selection_is_zero_with_a_zero_gradient() -> None:
    inputs = {**case(4), "selected": torch.zeros(ROWS).double()}
    value, gradient = with_gradient(fairness_loss, inputs)
    assert value.item() == 0.0
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_running_means_get_no_gradient() -> None:
    inputs = case(6)
    probability = inputs["running_probability"].requires_grad_()
    logits = inputs["logits_strong"].requires_grad_()
    fairness_loss(**inputs).backward()
    assert probability.grad is None
    assert logits.grad is not None


def test_running_means_of_classes_that_are_hardly_predicted() -> None:
    """The histogram misses the classes that hold the mass, so what is left sums to less than 1."""
    inputs = case(2) | {
        "running_probability": torch.tensor([0.05, 0.03, 0.9, 0.01, 0.01]).double(),
        "running_histogram": torch.tensor([0.5, 0.5, 0.0, 0.0, 0.0]).double(),
    }
    value, gradient = with_gradient(fairness_loss, inputs)
    usb_value, usb_gradient = with_gradient(usb, inputs)
    torch.testing.assert_close(value, usb_value)
    torch.testing.assert_close(gradient, usb_gradient)
