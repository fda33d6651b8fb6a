"""Whether rows change each other, found out on networks of which it is known."""

from typing import Any

import pytest
import torch
from support.nets import tiny_vit
from torch import nn

from usb_ext.methods.step.independence import (
    batch_statistics,
    multiply_adds,
    why_rows_interact,
)
from usb_ext.methods.step.row_noise import RowNoise, noisy_layers

DIM = 4


class Net(nn.Module):
    """Features made by `body`, or by `made` in its place, below a linear head."""

    def __init__(self, body: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = body or nn.Linear(DIM, DIM)
        self.head = nn.Linear(DIM, 3)
        self.register_buffer("kept", torch.ones(()))

    def made(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.body(x)
        return found

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        feat = self.made(x)
        return {"logits": self.head(feat), "feat": feat}


class Centred(Net):
    def made(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0)


class Random(Net):
    def made(self, x: torch.Tensor) -> torch.Tensor:
        torch.rand(())
        return x


class Noisy(Net):
    def made(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.dropout(x, 0.5, self.training)


class Counting(Net):
    kept: torch.Tensor

    def made(self, x: torch.Tensor) -> torch.Tensor:
        self.kept += 1
        return x


class Fixed(Net):
    def made(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(6.0).unsqueeze(1)


def why(net: nn.Module, rows: int = 6) -> str:
    x = torch.randn(rows, DIM, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(
        2
    )  # of what noisy networks draw: few numbers, equal by chance for one seed in many
    return why_rows_interact(net, RowNoise(noisy_layers(net)), x)


def frozen() -> nn.Module:
    norm = nn.BatchNorm1d(DIM)
    norm.eval()
    return norm


@pytest.mark.parametrize(
    "net",
    [
        Net(), Net(nn.LayerNorm(DIM)), Net(nn.GroupNorm(2, DIM)), Net(nn.Dropout(0.5)), Net(frozen()),
        Net(nn.Sequential(nn.Dropout(0.2), nn.Linear(DIM, DIM), nn.Dropout(0.5))),
        Net(nn.BatchNorm1d(DIM)).eval(),
    ],
    ids=["linear", "layer", "group", "dropout", "frozen", "dropouts", "evaluated"],
)  # fmt: skip
def test_rows_that_pass_each_for_itself(net: nn.Module) -> None:
    assert why(net) == ""


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Net(nn.BatchNorm1d(DIM)), "BatchNorm1d in training mode"),
        (Net(nn.BatchNorm1d(DIM, track_running_stats=False)).eval(), "BatchNorm1d"),
        (Centred(), "hangs on the other rows"),
        (Noisy(), "random numbers of its own"),
        (Random(), "draws random numbers outside"),
        (Counting(), "keeps statistics"),
        (Fixed(), "cannot go in parts"),
        (Net(nn.AlphaDropout(0.5)), "random numbers of its own"),
    ],
    ids=["norm", "untracked", "centred", "noisy", "random", "counting", "fixed", "alpha"],
)
def test_rows_that_change_each_other_or_cannot_be_told_apart(net: nn.Module, words: str) -> None:
    assert words in why(net)


def test_too_few_rows_are_not_tried() -> None:
    assert "too few rows" in why(Net(), rows=2)


def test_nothing_is_left_changed() -> None:
    vit: Any = tiny_vit()
    x = torch.randn(4, 3, 8, 8)
    for net, given in ((Counting(), torch.randn(6, DIM)), (vit.train(), x)):
        before = {k: v.clone() for k, v in net.state_dict().items()}
        state = torch.get_rng_state()
        why_rows_interact(net, RowNoise(noisy_layers(net)), given)
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
        assert net.training and all(p.grad is None for p in net.parameters())


def test_evaluated_batch_norm_has_no_statistics_of_the_batch() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm2d(2, track_running_stats=False))
    assert batch_statistics(net) == [net[0], net[1]]
    assert batch_statistics(net.eval()) == [net[1]]


def test_multiply_adds_of_a_row_are_those_of_its_matrices() -> None:
    """A product of (n, a) and (a, b) has n a b; modes and random numbers stay."""
    net = Net(nn.Sequential(nn.Dropout(0.5), nn.Linear(DIM, DIM), nn.BatchNorm1d(DIM)))
    kept, state = {k: v.clone() for k, v in net.state_dict().items()}, torch.get_rng_state()
    for rows in (1, 5):
        assert multiply_adds(net, torch.randn(rows, DIM, generator=torch.Generator())) == 16 + 12
    assert net.training and net.body.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, kept[k]) for k, v in net.state_dict().items())
