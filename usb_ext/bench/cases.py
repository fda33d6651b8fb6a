"""The cases of a benchmark: USB's own loop, ours, and the limit that the network sets."""

import atexit
import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from usb_ext.augment.usb_views import eval_transform, strong_transform, weak_transform
from usb_ext.bench.presets import Workload, random_images
from usb_ext.bench.timing import StopWatch
from usb_ext.core.files import RunFolder
from usb_ext.data.arrays import IMAGENET_MEAN, IMAGENET_STD
from usb_ext.engine.arguments import build_namespace, resolved
from usb_ext.engine.parts import Parts
from usb_ext.hooks.progress import Progress
from usb_ext.settings import load_settings
from usb_ext.training.compose import algorithm_classes, builder, run_class
from usb_ext.upstream.fused import optimizers_fused
from usb_ext.upstream.quiet import UsbLogger, printed_to_log
from usb_ext.upstream.redirect import cuda_means
from usb_ext.upstream.usb import ALGORITHMS, BasicDataset, RandAugment
from usb_ext.upstream.usb_loop import unmodified

Segment = Callable[[], float]
"""Runs one stretch of steps and gives steps a second."""


def datasets(load: Workload, algorithm: str, images: Any = None) -> dict[str, Any]:
    """USB's data sets on random images: 100 labelled, `num_images` others, 64 to evaluate."""
    look = (load.img_size, 0.875, IMAGENET_MEAN, IMAGENET_STD)
    weak, strong = weak_transform(*look, True), strong_transform(*look, True, RandAugment(3, 5))
    if images is None:
        images = random_images(load.num_images, load.img_size)

    def part(count: int, transform: Any, unlabelled: bool, strong_view: Any) -> Any:
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
        "val": part(load.num_images, evaluation, False, None),
        "eval": part(64, evaluation, False, None),
        "test": None,
    }


def _parts(load: Workload, algorithm: str, device: torch.device, images: Any = None) -> Parts:
    folder = Path(tempfile.mkdtemp(prefix="usb_ext_bench_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    progress = Progress("off", logging.getLogger("usb_ext.bench"))
    sets = datasets(load, algorithm, images)
    return Parts(device, load.amp, RunFolder(folder), progress, sets, {})


def ours(
    load: Workload, algorithm: str, device: torch.device, images: Any = None, **changed: Any
) -> Segment:
    """Our engine, evaluation and checkpoint outside the clock."""
    return _segment(build_ours(load, algorithm, device, images, **changed), load, device)


def build_ours(
    load: Workload, algorithm: str, device: torch.device, images: Any = None, **changed: Any
) -> Any:
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


def build_usb(load: Workload, device: torch.device, num_workers: int) -> Any:
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


def _segment(made: Any, load: Workload, device: torch.device) -> Segment:
    watch = StopWatch(load.warm_up, load.warm_up + load.steps, device)
    made.register_hook(watch, "StopWatch", "VERY_LOW")

    def run() -> float:
        run_once(made, device)
        return load.steps / watch.seconds

    return run


def run_once(made: Any, device: torch.device) -> None:
    """One whole run of an algorithm from its first step, ours or USB's."""
    made.it = made.start_epoch = 0
    ours_runs = hasattr(made, "start_hooks")
    scope = contextlib.nullcontext() if ours_runs else cuda_means(device)
    with printed_to_log(), scope:
        if ours_runs:
            made.start_hooks()
        made.train()
