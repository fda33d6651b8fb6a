"""USB's optimizers, fused. (Removed by: "fused optimizers".)"""

import contextlib
from collections.abc import Iterator
from typing import Any

import semilearn.core.algorithmbase as usb_base
import torch

from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.quiet import KERNEL_CHOICES


def fused_twin(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The same optimizer with the same parameter groups, in one kernel a group of tensors.

    Args:
        optimizer: SGD or AdamW before its first step.
    """
    groups = [
        {k: v for k, v in group.items() if k not in KERNEL_CHOICES}
        for group in optimizer.param_groups
    ]
    kind: Any = type(optimizer)
    twin: torch.optim.Optimizer = kind(groups, lr=optimizer.defaults["lr"], fused=True)
    twin.register_step_pre_hook(_start_momentum)
    return twin


def _start_momentum(optimizer: torch.optim.Optimizer, *_: object) -> None:
    """Zero momentum where there is none: torch's fused SGD wants it for all parameters or for none.

    A second head (CoSSL, TRAS) gets its first gradient later than the rest of the network.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"] if group.get("momentum") else ():
            state = optimizer.state[parameter]
            if parameter.grad is not None and state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)


@contextlib.contextmanager
def optimizers_fused(enabled: bool) -> Iterator[None]:
    """Inside, the optimizers that USB's base class makes are fused."""
    original = usb_base.get_optimizer

    def get_fused(*args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        return fused_twin(original(*args, **kwargs))

    if not enabled:
        yield
        return
    usb_base.get_optimizer = get_fused
    try:
        yield
    finally:
        usb_base.get_optimizer = original
