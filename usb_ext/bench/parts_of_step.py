"""Where the time of a step goes: data, forward, backward, optimizer, averaging, the rest.

The parts are timed by wrapping the same calls in USB's loop and in ours; on CUDA the device is waited for at
each of them, which makes the sum larger than an undisturbed step.
"""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from usb_ext.bench.cases import run_once
from usb_ext.bench.presets import Workload
from usb_ext.bench.timing import StopWatch, finish

PARTS = ("data", "forward", "backward", "optimizer", "averaging", "rest")


class PartTimer:
    """Adds up seconds by part.

    Args:
        device: waited for before each reading.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Time every call of `owner.name` as `part`."""
        original: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            finish(self.device)
            started = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                finish(self.device)
                self.seconds[part] += time.perf_counter() - started

        setattr(owner, name, timed)


class TimedLoader:
    """A loader whose waiting time counts as `data`; everything else is the loader's own."""

    def __init__(self, loader: Any, timer: PartTimer) -> None:
        self.loader, self.timer = loader, timer

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        while True:
            started = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self.timer.seconds["data"] += time.perf_counter() - started
            yield batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


def breakdown(load: Workload, made: Any, device: torch.device) -> dict[str, float]:
    """Milliseconds a step by part, over one run of an algorithm, USB's or ours.

    Args:
        load: the workload it was built for.
        made: an algorithm that is ready to train; it is of no other use afterwards.
        device: where it runs.

    Returns:
        The parts; the optimizer's time is taken out of the update it is part of. `rest` is logging,
        hooks and the loop.
    """
    run_once(made, device)  # warm
    timer = PartTimer(device)
    timer.wrap(made, "train_step", "forward")
    timer.wrap(made.hooks_dict["ParamUpdateHook"], "after_train_step", "backward")
    timer.wrap(made.optimizer, "step", "optimizer")
    timer.wrap(made.hooks_dict["EMAHook"], "after_train_step", "averaging")
    for name in ("train_lb", "train_ulb"):
        made.loader_dict[name] = TimedLoader(made.loader_dict[name], timer)
    watch = StopWatch(0, load.warm_up + load.steps, device)
    made.register_hook(watch, "StopWatch", "VERY_LOW")
    run_once(made, device)
    parts, steps = dict(timer.seconds), load.warm_up + load.steps
    parts["backward"] -= parts["optimizer"]
    parts["rest"] = max(0.0, watch.seconds - sum(parts.values()))
    return {name: round(1000 * parts[name] / steps, 3) for name in PARTS}
