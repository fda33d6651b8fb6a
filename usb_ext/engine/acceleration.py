"""How the network is run: memory layout, compilation, TF32. Results change by rounding at most."""

import contextlib
import logging
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

_log = logging.getLogger(__name__)


def likes_channels_last(model: nn.Module) -> bool:
    """Whether a network is made of 2-D convolutions (a ViT has one, to cut its patches)."""
    return sum(isinstance(m, nn.Conv2d) for m in model.modules()) > 1


def memory_format(model: nn.Module, channels_last: bool) -> torch.memory_format:
    """How a network's weights are laid out.

    Args:
        model: the network.
        channels_last: whether that layout is asked for; it is left out where there is nothing to gain.
    """
    wanted = channels_last and likes_channels_last(model)
    return torch.channels_last if wanted else torch.preserve_format


def precision(amp: str, device: torch.device) -> AbstractContextManager[object]:
    """Inside, matrix products and convolutions compute as the setting `amp` says.

    Args:
        amp: `off`, `bf16` or `fp16`.
        device: where they compute.
    """
    if amp == "off":
        return contextlib.nullcontext()
    dtype = torch.float16 if amp == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype)


def set_tf32(enabled: bool, device: torch.device) -> None:
    """Allow or forbid TF32 in float32 matrix products and convolutions on CUDA."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = enabled
        torch.backends.cudnn.allow_tf32 = enabled


def compile_network(model: nn.Module, mode: str, device: torch.device) -> bool:
    """Compile a network in place, so that the names in its checkpoints stay the same.

    Args:
        model: the network; its head is left out if something watches it (`HeadTap`).
        mode: `off`, `default` or `reduce-overhead` (CUDA graphs).
        device: where it is.

    Returns:
        Whether it is compiled; without a working compiler the reason is logged once.
    """
    if mode == "off":
        return False
    reason = _why_not(device)
    if reason is not None:
        _log.warning("compile is %r, but %s; the run goes on uncompiled", mode, reason)
        return False
    model.compile(mode=mode)
    return True


def _one_line(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(x) + 1.0


def _why_not(device: torch.device) -> str | None:
    """What keeps torch.compile from working, found out on a function of one line."""
    probe: Any = torch.compile(_one_line)
    try:
        probe(torch.zeros(4, device=device))
    except (RuntimeError, OSError, ImportError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return lines[0][:160] if lines else type(error).__name__
    finally:
        torch.compiler.reset()
    return None
