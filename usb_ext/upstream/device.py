"""USB's 73 `.cuda(` calls, sent to the run's device instead.

Its own algorithms move tensors to CUDA by hand, so they raise without a GPU. While one of them runs on
another device, `Tensor.cuda`, `Module.cuda` and the CUDA synchronisation and events mean that device. On
CUDA nothing is replaced. (Removed by: patches/source/C1-any-device.)
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import torch

from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)


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
