"""Do the rows of a batch pass through a network each for itself?

Where they do, a row's output and its gradient hang on that row alone, so rows may be left out or sent in
another pass without changing the others. Batch norm in training mode mixes rows. What else a network does
with its rows is found out by trying: a few rows together, and the same rows in parts.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from usb_ext.core.errors import reason
from usb_ext.engine.state import get_random_state, random_state_kept, same
from usb_ext.methods.step.row_noise import RowNoise
from usb_ext.methods.step.views import Inputs, count, taken

TOLERANCE = 1e-3
"""ours: largest difference of an output between both ways, relative to the largest; rounding is below."""


def batch_statistics(model: nn.Module) -> list[nn.Module]:
    """The layers that normalise by the statistics of the batch as the network stands.

    Args:
        model: the network; frozen or evaluated batch norm is none of them.
    """
    kind = nn.modules.batchnorm._BatchNorm
    found = (m for m in model.modules() if isinstance(m, kind))
    return [m for m in found if m.training or m.running_mean is None]


def why_rows_interact(model: nn.Module, noise: RowNoise, x: Inputs) -> str:
    """What keeps the rows of a batch from passing each for itself; empty where they do.

    Nothing is left changed: neither random numbers nor buffers.

    Args:
        model: the network, in the mode in which it is trained.
        noise: of its noisy layers.
        x: n inputs to try it on, n >= 3, or a dict of them.

    Returns:
        A clause for a message, or "".
    """
    if found := batch_statistics(model):
        return f"{type(found[0]).__name__} in training mode normalises by the batch"
    if count(x) < 3:
        return "there are too few rows to try the network on"
    buffers = [(b, b._version, b.detach().clone()) for b in model.buffers()]
    try:
        with random_state_kept(), torch.no_grad(), _plain(model):
            return _tried(model, noise, x) or _kept(buffers)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        return f"its rows cannot go in parts ({reason(error)})"
    finally:
        noise.end()
        with torch.no_grad():
            for buffer, version, before in buffers:
                if buffer._version != version:
                    buffer.copy_(before)


@torch.no_grad()
def multiply_adds(model: nn.Module, x: Inputs) -> float:
    """Multiplications with addition that a row costs going forward, as torch counts them.

    Args:
        model: the network; each module's mode comes back.
        x: n inputs, n >= 1, or a dict of them.
    """
    trained = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with random_state_kept(), _plain(model), FlopCounterMode(display=False) as counted:
            model(x)
    finally:
        for module in trained:
            module.training = True
    return float(counted.get_total_flops()) / 2 / count(x)


@contextlib.contextmanager
def _plain(model: nn.Module) -> Iterator[None]:
    """Inside, the network is not compiled and computes in the precision of its weights."""
    compiled = model.__dict__.pop("_compiled_call_impl", None)
    device = next((p.device.type for p in model.parameters()), "cpu")
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        if compiled is not None:
            model._compiled_call_impl = compiled


def _tried(model: nn.Module, noise: RowNoise, x: Inputs) -> str:
    """Rows together, then the same rows in two passes that leave one out, from the same random state."""
    n = count(x)
    with random_state_kept():
        together = model(x)
        state = get_random_state()
    noise.begin(n)
    last = torch.tensor([n - 1], device=together["logits"].device)
    for rows in (slice(0, n - 2), last):
        with noise.rows(rows):
            alone = model(taken(x, rows))
        if not all(_close(alone[key], together[key][rows]) for key in ("logits", "feat")):
            return "what it says of a row hangs on the other rows, or on random numbers of its own"
    if not same(get_random_state(), state):
        return "it draws random numbers outside its layers of dropout and stochastic depth"
    return ""


def _close(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.shape != right.shape:
        return False
    scale = float(right.abs().max()) if right.numel() else 0.0
    return bool(((left - right).abs() <= TOLERANCE * scale).all())


def _kept(buffers: list[tuple[torch.Tensor, int, torch.Tensor]]) -> str:
    moved = any(buffer._version != version for buffer, version, _ in buffers)
    return "it keeps statistics of what passes through it" if moved else ""
