"""The fused moving average against the formula, number by number."""

import math

import pytest
import torch

from usb_ext.engine.hooks.average import lerp_into

SHAPES = [(3, 4), (5,), (), (0, 2)]


def tensors(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


@pytest.mark.parametrize("momentum", [0.0, 0.25, 0.999])
def test_several_steps_follow_the_formula(momentum: float) -> None:
    averages = tensors(0)
    wanted = [t.flatten().tolist() for t in averages]
    places = [t.data_ptr() for t in averages]
    for step in range(1, 6):
        values = tensors(step)
        kept = [v.clone() for v in values]
        lerp_into(averages, values, momentum)
        for numbers, value in zip(wanted, values, strict=True):
            for i, number in enumerate(value.flatten().tolist()):
                numbers[i] = momentum * numbers[i] + (1 - momentum) * number
        assert all(torch.equal(a, b) for a, b in zip(kept, values, strict=True))
    assert [t.data_ptr() for t in averages] == places
    for average, numbers in zip(averages, wanted, strict=True):
        for got, number in zip(average.flatten().tolist(), numbers, strict=True):
            assert math.isclose(got, number, rel_tol=1e-12, abs_tol=1e-15)


def test_momentum_0_copies_bit_by_bit_also_what_is_not_finite() -> None:
    averages = [torch.tensor([math.nan, 1.0, math.inf])]
    lerp_into(averages, [torch.tensor([0.1, math.inf, -0.0])], 0.0)
    assert averages[0].tolist() == [torch.tensor(0.1).item(), math.inf, 0.0]
    assert math.copysign(1.0, averages[0][2].item()) == -1.0


def test_momentum_0_copies_whole_numbers() -> None:
    averages = [torch.tensor(3), torch.tensor([1, 2])]
    lerp_into(averages, [torch.tensor(7), torch.tensor([8, 9])], 0.0)
    assert [t.tolist() for t in averages] == [7, [8, 9]]


def test_no_tensors_is_no_error() -> None:
    averages: list[torch.Tensor] = []
    lerp_into(averages, [], 0.5)
    assert averages == []


def test_parameters_are_averaged_without_a_graph() -> None:
    average = torch.nn.Parameter(torch.zeros(2))
    value = torch.nn.Parameter(torch.ones(2))
    lerp_into([average], [value], 0.5)
    assert average.tolist() == [0.5, 0.5]
    assert average.is_leaf and average.requires_grad
