"""Noise for some rows: the numbers that one pass over all of them draws, and as many of them."""

from typing import Any

import pytest
import torch
from timm.layers import DropPath
from torch import nn
from torchvision.ops import StochasticDepth

from usb_ext.methods.step.row_noise import RowNoise, noisy_layers

N, DIM = 9, 5


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Dropout(0.3), nn.Linear(DIM, 6), DropPath(0.4), nn.Tanh(), nn.Dropout(0.0),
        StochasticDepth(0.5, "row"), nn.Linear(6, 4), nn.Dropout(0.5),
    ).double()  # fmt: skip


def images() -> torch.Tensor:
    return torch.randn(N, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_layers_are_noisy_in_training_and_with_a_rate_alone() -> None:
    net = network()
    assert [type(m).__name__ for m in noisy_layers(net)] == [
        "Dropout", "DropPath", "StochasticDepth", "Dropout",
    ]  # fmt: skip
    net[0].eval()
    assert len(noisy_layers(net)) == 3
    assert noisy_layers(net.eval()) == []


@pytest.mark.parametrize(
    "parts",
    [
        [slice(0, 4), slice(4, 9)],
        [slice(2, 5), torch.tensor([0, 8]), torch.tensor([7])],
        [torch.arange(9)],
    ],
    ids=["two", "some", "all"],
)
def test_passes_over_parts_are_the_rows_of_one_pass(parts: list[Any]) -> None:
    net, x = network(), images()
    noise = RowNoise(noisy_layers(net))
    torch.manual_seed(4)
    whole, after = net(x), torch.get_rng_state()
    for _ in range(2):  # a second step draws anew
        torch.manual_seed(4)
        noise.begin(N)
        for rows in parts:
            with noise.rows(rows):
                torch.testing.assert_close(net(x[rows]), whole[rows], rtol=1e-14, atol=1e-14)
        noise.end()
        assert torch.equal(torch.get_rng_state(), after)


def test_outside_the_passes_a_network_draws_by_itself() -> None:
    net, x = network(), images()
    noise = RowNoise(noisy_layers(net))
    noise.begin(N)
    with pytest.raises(RuntimeError), noise.rows(slice(0, 3)):
        net(torch.zeros(3, DIM + 1, dtype=torch.float64))
    other = network()
    torch.manual_seed(2)
    left = net(x)
    torch.manual_seed(2)
    assert torch.equal(left, other(x))


def test_a_layer_that_was_put_into_evaluation_mode_leaves_its_input() -> None:
    net, x = nn.Sequential(nn.Dropout(0.5)).double(), images()
    noise = RowNoise(noisy_layers(net))
    net.eval()
    noise.begin(N)
    with noise.rows(slice(0, 3)):
        assert torch.equal(net(x[:3]), x[:3])
