"""Timing a stretch of steps inside a loop that is not ours to change."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from usb_ext.core.runtime import commit, device_name, versions
from usb_ext.upstream.usb import Hook


def finish(device: torch.device) -> None:
    """Wait for what was queued on the device, so that a clock reading means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class StopWatch(Hook):  # type: ignore[misc]
    """Clock readings at the start of two steps; between them a loop runs as it always does.

    Args:
        first: step at whose start the clock starts.
        last: step at whose start it stops.
        device: waited for at both.
    """

    def __init__(self, first: int, last: int, device: torch.device) -> None:
        super().__init__()
        self.first, self.last, self.device = first, last, device
        self.started = 0.0
        self.seconds = 0.0

    def before_train_step(self, algorithm: Any) -> None:
        """Read the clock if it is time."""
        if algorithm.it == self.first:
            finish(self.device)
            self.started = time.perf_counter()
        elif algorithm.it == self.last:
            finish(self.device)
            self.seconds = time.perf_counter() - self.started


def timed(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """Seconds that `steps` calls of a function take."""
    finish(device)
    started = time.perf_counter()
    for _ in range(steps):
        step()
    finish(device)
    return time.perf_counter() - started


def over_turns(values: list[float], digits: int = 5) -> dict[str, float]:
    """Median, smallest and largest of what the turns of a measurement gave.

    Args:
        values: one number a turn.
        digits: decimals that are kept.
    """
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def circumstances(device: torch.device) -> dict[str, Any]:
    """What a measured figure hangs on: hardware, threads, versions and commit.

    Args:
        device: where it was measured.
    """
    return {
        "device": device_name(device),
        "torch_threads": torch.get_num_threads(),
        "versions": versions(),
        "commit": commit(),
    }
