"""Gradients of one example at a time by plain backpropagation, and losses to take them of."""

from typing import Any

import torch
from torch import nn

from usb_ext.methods.influence.per_example.gradients import batch_size


def rows(batch: Any, i: int) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch[i : i + 1]
    if isinstance(batch, dict):
        return {k: rows(v, i) for k, v in batch.items()}
    return tuple(rows(v, i) for v in batch)


def by_hand(net: nn.Module, losses: Any, batch: Any) -> list[dict[str, torch.Tensor]]:
    """`loss.backward()` on batches of one."""
    found = []
    for i in range(batch_size(batch)):
        net.zero_grad(set_to_none=True)
        losses(net, rows(batch, i)).sum().backward()
        found.append(
            {
                n: torch.zeros_like(p) if p.grad is None else p.grad.clone()
                for n, p in net.named_parameters()
                if p.requires_grad
            }
        )
    net.zero_grad(set_to_none=True)
    return found


def assert_equal(found: dict[str, torch.Tensor], wanted: list[dict[str, torch.Tensor]]) -> None:
    assert list(found) == list(wanted[0])
    for name, values in found.items():
        expected = torch.stack([w[name] for w in wanted])
        torch.testing.assert_close(values, expected, rtol=1e-9, atol=1e-11, msg=name)


def squares(net: Any, x: torch.Tensor) -> torch.Tensor:
    return net(x).square().flatten(1).sum(1)


class Scaled(nn.Module):
    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.ones(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.scale
