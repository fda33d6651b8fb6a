"""Where the time of a step goes: data, forward, backward, optimizer, averaging, the rest.

The parts are timed by wrapping the same calls in USB's loop and in ours; on CUDA the device is waited for at
each of them, which makes the sum larger than an undisturbed step.

Cost as work grows: time a step and memory over batch size, image size and size of the set.

Each point runs in a fresh process, so that its memory is its own. The set of unlabelled images is a file
mapped into memory and fetched in blocks; neither time nor memory may grow with it. A million images of 96
pixels are 28 GB, so of them only the first thousand lie on the disk: the rest of the file is a hole, which
reads as black images.
"""

import functools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from usb_ext.bench.cases import StopWatch, Workload, finish, run_once
from usb_ext.upstream.running import Batch
from usb_ext.upstream.usb import AlgorithmBase

PARTS = ("data", "forward", "backward", "optimizer", "averaging", "rest")


class PartTimer:
    """Adds up seconds by part.

    Args:
        device: waited for before each reading.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def wrap(self, owner: object, name: str, part: str) -> None:
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

    def __init__(self, loader: Iterable[Batch], timer: PartTimer) -> None:
        self.loader, self.timer = loader, timer

    def __iter__(self) -> Iterator[Batch]:
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


def breakdown(load: Workload, made: AlgorithmBase, device: torch.device) -> dict[str, float]:
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


SEGMENTS = 3
BATCHES, SIZES, SETS = (4, 8, 16, 32), (16, 32, 64, 96), (1_000, 10_000, 100_000, 1_000_000)


WRITTEN = 3 * 2**30
"""ours: bytes up to which all images of a set are written; 100,000 of 96 pixels are below it."""


def points(load: Workload) -> list[tuple[str, Workload]]:
    """What varies, and the workload at each point; the set's size at 96 x 96 pixels."""
    small = replace(load, num_images=1_000, repeats=1)
    wide = replace(small, img_size=96, batch_size=2)
    return [
        *[("batch_size", replace(small, batch_size=n)) for n in BATCHES],
        *[("img_size", replace(small, img_size=n)) for n in SIZES],
        *[("num_images", replace(wide, num_images=n)) for n in SETS],
    ]


def scale(load: Workload, device: str, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure every point.

    Returns:
        One row a point: what varies, its value, milliseconds a step, anonymous memory in MiB.
    """
    rows = []
    for varies, point in points(load):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            row = pool.submit(_measure, varies, point, device).result()
        rows.append(row)
        say(f"{varies} {row['value']}: {row['ms_per_step']} ms a step, {row['memory_mb']} MiB")
    return rows


def _measure(varies: str, load: Workload, device: str) -> dict[str, Any]:
    """One point, in a process of its own."""
    import torch

    from usb_ext.bench import cases

    with tempfile.TemporaryDirectory() as folder:
        images = mapped_images(Path(folder) / "images.npy", load.num_images, load.img_size)
        os.sync()  # writing the file back must not count as training
        run = cases.ours(load, "layermatch", torch.device(device), images, image_budget_mb=0)
        rate = statistics.median(run() for _ in range(SEGMENTS))
    value = {
        "batch_size": load.batch_size,
        "img_size": load.img_size,
        "num_images": load.num_images,
    }
    return {
        "varies": varies,
        **value,
        "value": value[varies],
        "ms_per_step": round(1000 / rate, 2),
        "memory_mb": anonymous_memory_mb(),
    }


def mapped_images(path: Path, number: int, size: int) -> np.ndarray:
    """Images in a file, mapped: (number, size, size, 3) uint8, none of it in memory.

    They are noise; of a set above `WRITTEN` bytes the first thousand are, and the others are black and take
    no room on the disk.

    Args:
        path: the file.
        number: of images.
        size: side in pixels.
    """
    rng = np.random.default_rng(0)
    block = rng.integers(0, 256, (min(number, 1000), size, size, 3), dtype=np.uint8)
    written = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(number, size, size, 3)
    )
    noisy = number if number * block[0].nbytes <= WRITTEN else len(block)
    for start in range(0, noisy, len(block)):
        written[start : start + len(block)] = block[: noisy - start]
    written.flush()
    del written
    mapped: np.ndarray = np.load(path, mmap_mode="r")
    return mapped


def anonymous_memory_mb() -> float | None:
    """Memory of this process that no file backs, in MiB; None where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return round(int(fields["RssAnon"].split()[0]) / 1024, 1)
