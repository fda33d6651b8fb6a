"""USB prints; a run's words belong in its log.

USB's TensorBoard log, made only where it is asked for.

USB's own loop, for measuring against: its class, hooks, loaders and `train`, untouched.

USB's 73 `.cuda(` calls, sent to the run's device instead.

Its own algorithms move tensors to CUDA by hand, so they raise without a GPU. While one of them runs on
another device, `Tensor.cuda`, `Module.cuda` and the CUDA synchronisation and events mean that device. On
CUDA nothing is replaced. (Removed by: patches/0003.)

USB's optimizers, fused. (Removed by: "fused optimizers".)
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)

# isort: split
import time

import torch
from semilearn.core.utils import TBLog

from usb_ext.upstream.running import Datasets, Running, ScalarLog, served
from usb_ext.upstream.usb import AlgorithmBase

# isort: split
import semilearn.core.algorithmbase as usb_base

_log = logging.getLogger("usb_ext.usb")


class _LineLog(io.TextIOBase):
    """A stream whose whole lines become log records."""

    def __init__(self) -> None:
        self.pending = ""

    def write(self, text: str) -> int:
        *lines, self.pending = (self.pending + text).split("\n")
        for line in lines:
            if line.strip():
                _log.debug("%s", line.rstrip())
        return len(text)

    def finish(self) -> None:
        """Log what was printed after the last line's end."""
        self.write("\n")


class UsbLogger:
    """The logger that USB's classes are given: what they say is detail."""

    @staticmethod
    def info(message: object) -> None:
        """Log a message of USB's."""
        _log.debug("%s", message)


@contextlib.contextmanager
def printed_to_log() -> Iterator[None]:
    """Inside, what is printed goes to the log, and torch's deprecation notes to USB are dropped."""
    stream = _LineLog()
    with contextlib.redirect_stdout(stream), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message=".*GradScaler is enabled, but CUDA.*")
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        warnings.filterwarnings("ignore", message=".*is ill-defined and being set to 0.0")
        try:
            yield
        finally:
            stream.finish()


def tensorboard_log(folder: Path) -> ScalarLog:
    """A TBLog that writes to `folder/tensorboard`."""
    log: ScalarLog = TBLog(str(folder), "tensorboard", use_tensorboard=True)
    return log


def unmodified(algorithm: type[AlgorithmBase], datasets: Datasets) -> type[AlgorithmBase]:
    """USB's class with nothing replaced but where its data sets come from.

    Args:
        algorithm: a class of USB's registry.
        datasets: what its `set_dataset` shall give.
    """

    def set_dataset(self: Running) -> Datasets:
        self.args.ulb_dest_len = len(served(datasets, "train_ulb"))
        self.args.lb_dest_len = len(served(datasets, "train_lb"))
        return datasets

    return type(f"Unmodified{algorithm.__name__}", (algorithm,), {"set_dataset": set_dataset})


class HostEvent:
    """A CUDA event's interface on the host's clock."""

    def __init__(self, *_: object, **__: object) -> None:
        self.at = 0.0

    def record(self, *_: object) -> None:
        """Remember now."""
        self.at = time.perf_counter()

    def elapsed_time(self, later: "HostEvent") -> float:
        """Milliseconds from this event to `later`."""
        return 1000.0 * (later.at - self.at)


@contextlib.contextmanager
def cuda_means(device: torch.device) -> Iterator[None]:
    """Inside, USB's CUDA calls mean `device`; put back afterwards."""
    if device.type == "cuda":
        yield
        return

    def moved(self: Any, *_: Any, **__: Any) -> Any:
        return self.to(device)

    def nothing(*_: object, **__: object) -> None:
        return None

    replacements: list[tuple[Any, str, Any]] = [
        (torch.Tensor, "cuda", moved),
        (torch.nn.Module, "cuda", moved),
        (torch.cuda, "synchronize", nothing),
        (torch.cuda, "set_device", nothing),
        (torch.cuda, "Event", HostEvent),
    ]
    before = [getattr(owner, name) for owner, name, _ in replacements]
    try:
        for owner, name, new in replacements:
            setattr(owner, name, new)
        yield
    finally:
        for (owner, name, _), old in zip(replacements, before, strict=True):
            setattr(owner, name, old)


KERNEL_CHOICES = ("foreach", "fused", "capturable", "differentiable")


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
