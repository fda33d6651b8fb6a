"""The cases of a benchmark: USB's own loop, ours, and the limit that the network sets.

What a benchmark runs on: network, image size, batch, and images made on the spot.

Timing a stretch of steps inside a loop that is not ours to change.
"""

import atexit
import contextlib
import logging
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from usb_ext.augment.usb_views import View, eval_transform, strong_transform, weak_transform
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.core.runtime import commit, device_name, versions
from usb_ext.data.arrays import IMAGENET_MEAN, IMAGENET_STD, Images
from usb_ext.engine.engine import Engine
from usb_ext.engine.hooks.record import Progress
from usb_ext.engine.network import builder
from usb_ext.engine.parts import Parts
from usb_ext.methods.step.step import ROWS
from usb_ext.settings import load_settings
from usb_ext.training.compose import algorithm_classes, build_namespace, resolved, run_class
from usb_ext.upstream.device import cuda_means
from usb_ext.upstream.optimizers import optimizers_fused
from usb_ext.upstream.quiet import UsbLogger, printed_to_log, unmodified
from usb_ext.upstream.running import Datasets, Running
from usb_ext.upstream.usb import ALGORITHMS, AlgorithmBase, BasicDataset, Hook, RandAugment


@dataclass(frozen=True)
class Workload:
    """One setting to be timed.

    Attributes:
        net: network by name.
        img_size: side of the images in pixels.
        batch_size: labelled images a step.
        uratio: unlabelled images for each labelled one.
        num_images: unlabelled images in the set.
        optim: SGD or AdamW.
        amp: off, bf16 or fp16.
        channels_last: for our engine and the limit.
        compile: off, default or reduce-overhead, for our engine and the limit.
        steps: timed steps of one segment.
        warm_up: steps before them.
        repeats: segments of each case, interleaved.
        cpu_time: whether seconds are those that the process computes, not the clock's: for one thread, on
            a machine that others use.
    """

    net: str
    img_size: int
    batch_size: int
    uratio: int
    num_images: int = 10_000
    optim: str = "SGD"
    amp: str = "off"
    channels_last: bool = True
    compile: str = "off"
    steps: int = 60
    warm_up: int = 12
    repeats: int = 5
    cpu_time: bool = False

    @property
    def clock(self) -> Callable[[], float]:
        """What gives seconds."""
        return time.process_time if self.cpu_time else time.perf_counter

    @property
    def rows(self) -> int:
        """Rows of a step's batch: labelled, weak and strong."""
        return self.batch_size * (1 + 2 * self.uratio)

    def settings(self) -> dict[str, Any]:
        """The settings of a run on this workload."""
        return {
            "dataset": "digits", "num_classes": 10, "num_labels": 10, "net": self.net,
            "img_size": self.img_size, "batch_size": self.batch_size, "uratio": self.uratio,
            "optim": self.optim, "lr": 0.03 if self.optim == "SGD" else 5e-4, "amp": self.amp,
            "channels_last": self.channels_last, "compile": self.compile, "epoch": 1,
            "num_train_iter": self.warm_up + self.steps + 1, "num_eval_iter": 10**9,
            "num_log_iter": 10**9, "progress": "off", "ema_m": 0.999, "eval_batch_size": 64,
        }  # fmt: skip


PRESETS = {
    "digits": Workload("wrn_10_1", 16, 8, 7, num_images=1297, steps=100),
    "cifar-wrn": Workload("wrn_28_2", 32, 64, 7, num_images=50_000),
    "cifar-vit": Workload("vit_tiny_patch2_32", 32, 8, 1, num_images=50_000, optim="AdamW"),
}


def workload(preset: str, changed: dict[str, Any]) -> Workload:
    """A preset with some of its values changed.

    Raises:
        SettingsError: for an unknown preset.
    """
    if preset not in PRESETS:
        raise SettingsError(f"preset is {preset!r}; known: {', '.join(PRESETS)}")
    return replace(PRESETS[preset], **{k: v for k, v in changed.items() if v is not None})


def random_images(number: int, size: int, seed: int = 0) -> np.ndarray:
    """Noise of the right shape, (number, size, size, 3) uint8: the work is the same as on photographs."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (number, size, size, 3), dtype=np.uint8)


def finish(device: torch.device) -> None:
    """Wait for what was queued on the device, so that a clock reading means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class StopWatch(Hook):
    """Clock readings at the start of two steps; between them a loop runs as it always does.

    Args:
        first: step at whose start the clock starts.
        last: step at whose start it stops.
        device: waited for at both.
        clock: what gives seconds; None is the wall clock.
    """

    def __init__(
        self,
        first: int,
        last: int,
        device: torch.device,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__()
        self.first, self.last, self.device = first, last, device
        self.clock = clock or time.perf_counter
        self.started = 0.0
        self.seconds = 0.0

    def before_train_step(self, algorithm: Running) -> None:
        """Read the clock if it is time."""
        if algorithm.it == self.first:
            finish(self.device)
            self.started = self.clock()
        elif algorithm.it == self.last:
            finish(self.device)
            self.seconds = self.clock() - self.started


class RowsSeen(Hook):
    """How many rows of a step had a graph, over all steps of all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = self.total = 0.0

    def after_train_step(self, algorithm: Running) -> None:
        """Count the step's."""
        self.steps += 1
        self.total += float(algorithm.log_dict[ROWS])

    @property
    def mean(self) -> float:
        """Rows a step; 0 before the first."""
        return self.total / self.steps if self.steps else 0.0


def timed(
    step: Callable[[], None],
    steps: int,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds that `steps` calls of a function take, by a clock."""
    finish(device)
    started = clock()
    for _ in range(steps):
        step()
    finish(device)
    return clock() - started


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


Segment = Callable[[], float]
"""Runs one stretch of steps and gives steps a second."""


HELD_OUT = 1_000
"""ours: most images of the validation set, which each segment evaluates outside the clock."""


def datasets(load: Workload, algorithm: str, images: Images | None = None) -> Datasets:
    """USB's data sets on random images: 100 labelled, `num_images` others, `HELD_OUT` held out, 64 tested."""
    look = (load.img_size, 0.875, IMAGENET_MEAN, IMAGENET_STD)
    weak, strong = weak_transform(*look, True), strong_transform(*look, True, RandAugment(3, 5))
    if images is None:
        images = random_images(load.num_images, load.img_size)

    def part(
        count: int, transform: View, unlabelled: bool, strong_view: View | None
    ) -> BasicDataset:
        count = min(count, len(images))
        targets = torch.arange(count).remainder(10).numpy()
        return BasicDataset(
            algorithm, images[:count], targets, 10, transform,
            is_ulb=unlabelled, strong_transform=strong_view, onehot=False,
        )  # fmt: skip

    evaluation = eval_transform(load.img_size, IMAGENET_MEAN, IMAGENET_STD)
    return {
        "train_lb": part(100, weak, False, strong),
        "train_ulb": part(load.num_images, weak, True, strong),
        "val": part(min(load.num_images, HELD_OUT), evaluation, False, None),
        "eval": part(64, evaluation, False, None),
        "test": None,
    }


def _parts(
    load: Workload, algorithm: str, device: torch.device, images: Images | None = None
) -> Parts:
    folder = Path(tempfile.mkdtemp(prefix="usb_ext_bench_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    progress = Progress("off", logging.getLogger("usb_ext.bench"))
    sets = datasets(load, algorithm, images)
    return Parts(device, load.amp, RunFolder(folder), progress, sets, {})


def ours(
    load: Workload,
    algorithm: str,
    device: torch.device,
    images: Images | None = None,
    watch: RowsSeen | None = None,
    **changed: Any,
) -> Segment:
    """Our engine, evaluation and checkpoint outside the clock; `watch` looks on at every step."""
    made = build_ours(load, algorithm, device, images, **changed)
    if watch is not None:
        made.register_hook(watch, "RowsSeen", "VERY_LOW")
    return _segment(made, load, device)


def build_ours(
    load: Workload,
    algorithm: str,
    device: torch.device,
    images: Images | None = None,
    **changed: Any,
) -> Engine:
    """An algorithm on our engine with batched augmentation, ready to train."""
    given = {**load.settings(), "algorithm": algorithm, "augment": "batched", "num_workers": 0}
    loaded = load_settings(given, changed).settings
    classes = algorithm_classes(loaded)
    settings = resolved(loaded, classes)
    args = build_namespace(settings, _parts(load, algorithm, device, images))
    with printed_to_log(), optimizers_fused(settings.fused_optimizer):
        made = run_class(classes)(args=args, net_builder=builder(settings), logger=UsbLogger())
    made.settle()
    return made


def usb(load: Workload, device: torch.device, num_workers: int) -> Segment:
    """USB's FixMatch, its hooks and its loop; off CUDA only its `.cuda` calls are redirected."""
    return _segment(build_usb(load, device, num_workers), load, device)


def build_usb(load: Workload, device: torch.device, num_workers: int) -> AlgorithmBase:
    """USB's FixMatch, ready for its own `train`."""
    given = {**load.settings(), "algorithm": "fixmatch", "step": "usb", "num_workers": num_workers}
    loaded = load_settings(given).settings
    settings = resolved(loaded, (ALGORITHMS["fixmatch"],))
    parts = _parts(load, "fixmatch", device)
    folder = parts.folder.path
    args = build_namespace(settings, parts)
    args.save_dir, args.save_name = str(folder.parent), folder.name
    args.amp, args.clip_grad = load.amp != "off", 0
    with printed_to_log(), cuda_means(device):
        made = unmodified(ALGORITHMS["fixmatch"], parts.datasets)(
            args=args, net_builder=builder(settings), logger=UsbLogger()
        )
        made.model, made.ema_model = made.model.to(device), made.ema_model.to(device)
    return made


def _segment(made: AlgorithmBase, load: Workload, device: torch.device) -> Segment:
    watch = StopWatch(load.warm_up, load.warm_up + load.steps, device, load.clock)
    made.register_hook(watch, "StopWatch", "VERY_LOW")

    def run() -> float:
        run_once(made, device)
        return load.steps / watch.seconds

    return run


def run_once(made: AlgorithmBase, device: torch.device) -> None:
    """One whole run of an algorithm from its first step, ours or USB's."""
    made.it = made.start_epoch = 0
    scope = contextlib.nullcontext() if isinstance(made, Engine) else cuda_means(device)
    with printed_to_log(), scope:
        if isinstance(made, Engine):
            made.start_hooks()
        made.train()
