"""The limits: over how many rows they go, and with which of them a graph."""

from typing import Any

import pytest
import torch
from torch import nn

from usb_ext.bench import limits
from usb_ext.bench.cases import RowsSeen, Workload

LOAD = Workload("any", 4, batch_size=2, uratio=3, steps=2, warm_up=1)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(48, 10)
        self.passes: list[tuple[int, bool]] = []

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        self.passes.append((len(x), torch.is_grad_enabled()))
        return {"logits": self.head(x.flatten(1))}


def passes(monkeypatch: pytest.MonkeyPatch, seen: RowsSeen | None) -> list[tuple[int, bool]]:
    net = Net()
    monkeypatch.setattr(limits, "untrained", lambda *_: net)
    before = net.head.weight.detach().clone()
    assert limits.limit(LOAD, torch.device("cpu"), seen)() > 0
    assert not torch.equal(net.head.weight, before)
    return net.passes


def test_the_bare_step_goes_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert passes(monkeypatch, None) == [(14, True)] * 3


def test_the_useful_limit_goes_over_the_rows_that_were_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = RowsSeen()
    for rows in (2.0, 5.0, 4.0):
        algorithm: Any = type("Algorithm", (), {"log_dict": {"rows/step": rows}})
        seen.after_train_step(algorithm)
    assert seen.mean == pytest.approx(11 / 3)
    assert passes(monkeypatch, seen) == [(4, True), (6, False)] * 3
    assert RowsSeen().mean == 0.0
