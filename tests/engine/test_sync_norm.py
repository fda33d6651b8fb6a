"""Batch norm over processes beside torch's own on the whole batch, in float64."""

import copy
from typing import Any

import pytest
import torch
from support.processes import in_processes
from torch import nn

from usb_ext.core.processes import ALONE, entered, rows_of_all, summed, world
from usb_ext.engine.sync_norm import KINDS, SyncBatchNorm2d, synchronise

SHAPES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "rows": (nn.BatchNorm1d(3), (7, 3)),
    "images": (nn.BatchNorm2d(3, momentum=0.3), (5, 3, 2, 4)),
    "volumes": (nn.BatchNorm3d(2, eps=0.1), (4, 2, 2, 3, 2)),
    "no parameters": (nn.BatchNorm2d(3, affine=False), (5, 3, 2, 2)),
    "mean over all batches": (nn.BatchNorm2d(3, momentum=None), (5, 3, 2, 2)),
    "no running statistics": (nn.BatchNorm1d(3, track_running_stats=False), (6, 3)),
}


def _moved(layer: nn.Module) -> Any:
    generator = torch.Generator().manual_seed(1)
    layer = copy.deepcopy(layer).double()
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return layer


def _passes(layer: Any, shape: tuple[int, ...], shared: bool) -> list[torch.Tensor]:
    """Two training passes with a loss that is no sum over rows, then one in evaluation mode."""
    generator, found = torch.Generator().manual_seed(2), list[torch.Tensor]()
    n = shape[0]
    rows = world().share(n) if shared else slice(0, n)
    for _ in range(2):
        x = 3 + 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
        slope = torch.randn(shape, generator=generator, dtype=torch.float64)
        own = x[rows].clone().requires_grad_()
        out = layer(own)
        out.backward(slope[rows] * (1 + out.detach()))
        parts = [out.detach(), own.grad]
        found += [rows_of_all(p, n) if shared else p for p in parts if p is not None]
    for parameter in layer.parameters():
        gradient = parameter.grad.clone()
        found.append(summed(gradient) if shared else gradient)
    found += [b.double().reshape(-1).clone() for b in layer.buffers()]
    layer.eval()
    out = layer(x[rows])
    return [*found, rows_of_all(out.detach(), n) if shared else out.detach()]


def beside_torch() -> dict[str, float]:
    """The largest difference between our layers, over all processes, and torch's, of each case."""
    gaps = {}
    for name, (layer, shape) in SHAPES.items():
        ours, theirs = _moved(layer), _moved(layer)
        assert synchronise(ours) == 1
        pairs = zip(_passes(ours, shape, True), _passes(theirs, shape, False), strict=True)
        gaps[name] = max(float((a - b).abs().max()) for a, b in pairs)
    with entered(ALONE):
        layer = _moved(nn.BatchNorm2d(3))
        x = torch.randn(4, 3, 2, 2, dtype=torch.float64)
        same = copy.deepcopy(layer)
        synchronise(same)
        gaps["alone"] = float((layer(x) - same(x)).abs().max())
    return gaps


@pytest.mark.parametrize("size", [2, 4])
def test_processes_normalise_as_torch_does_the_whole_batch(size: int) -> None:
    for gaps in in_processes(size, beside_torch):
        assert set(gaps) == {*SHAPES, "alone"}
        assert max(gaps.values()) < 1e-12, gaps


def test_only_the_class_of_a_layer_changes() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Sequential(nn.BatchNorm2d(2)))
    parameters, names = list(network.parameters()), list(network.state_dict())
    assert synchronise(network) == 2 and synchronise(network) == 0
    assert all(a is b for a, b in zip(parameters, network.parameters(), strict=True))
    assert list(network.state_dict()) == names and isinstance(network[1], SyncBatchNorm2d)
    assert all(issubclass(ours, theirs) for theirs, ours in KINDS.items())
    assert synchronise(copy.deepcopy(network)) == 0
