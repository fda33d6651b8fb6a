"""USB's optimizers, fused: the same steps."""

import copy

import pytest
import torch

from usb_ext.upstream.optimizers import fused_twin


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_fused_twin_takes_the_same_steps(kind: str) -> None:
    torch.manual_seed(0)
    left = torch.nn.Linear(5, 3).double()
    right = copy.deepcopy(left)
    extra = {"momentum": 0.9, "nesterov": True} if kind == "SGD" else {}
    make = getattr(torch.optim, kind)
    groups = [
        [{"params": [m.weight], "weight_decay": 0.1}, {"params": [m.bias], "lr": 0.01}]
        for m in (left, right)
    ]
    plain = make(groups[0], lr=0.1, **extra)
    fused = fused_twin(make(groups[1], lr=0.1, **extra))
    for step in range(5):
        x = torch.randn(8, 5, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        for net, optimizer in ((left, plain), (right, fused)):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
    for p, q in zip(left.parameters(), right.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)
