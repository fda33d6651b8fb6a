"""A world for USB alone: one tree of it imported, synthetic images, small networks, no usb_ext.

Runs in a process of its own (`patch_checks.py`, `patch_runs.py`). The packages that USB can do without are
blocked; where a tree does not import without them, stand-ins take their place, so that the other checks
can be made on it too.
"""

import argparse
import contextlib
import importlib
import inspect
import io
import json
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

BLOCKED = ("aim", "wandb", "torchaudio", "skimage", "skimage.util", "transformers")
CLASSES, SIZE = 4, 32


def enter(tree: Path) -> BaseException | None:
    """Import semilearn from `tree`; gives the error that the blocked packages led to, if any."""
    sys.modules["usb_ext"] = None  # type: ignore[assignment]
    sys.path.insert(0, str(tree))
    _forget()
    sys.modules.update(dict.fromkeys(BLOCKED))  # type: ignore[arg-type]
    error = failure(_import)
    if error is not None:
        _forget()
        sys.modules.update({name: mock.MagicMock() for name in BLOCKED})
        _import()
    assert Path(sys.modules["semilearn"].__file__ or "").is_relative_to(tree)
    return error


def failure(function: Callable[..., Any], *args: Any, **kwargs: Any) -> BaseException | None:
    """What a call raises, whatever it is; None if nothing."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(function, *args, **kwargs).exception()


def _forget() -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "semilearn"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _import() -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # USB prints the algorithms that do not import
        importlib.import_module("semilearn")
    if said.getvalue():
        raise ImportError(said.getvalue())


def usb(name: str) -> Any:
    """A module of the tree's semilearn."""
    return importlib.import_module(f"semilearn.{name}")


class _Event:
    """A CUDA event that has no time."""

    def __init__(self, **_: Any) -> None:
        self.record = lambda: None
        self.elapsed_time = lambda later: 1.0


@contextlib.contextmanager
def cuda_means_cpu() -> Iterator[None]:
    """For checks of other things, on trees that know CUDA only."""

    def moved(self: Any, *_: Any, **__: Any) -> Any:
        return self

    with (
        mock.patch.object(torch.Tensor, "cuda", moved),
        mock.patch.object(torch.nn.Module, "cuda", moved),
        mock.patch.object(torch.cuda, "synchronize", lambda *_: None),
        mock.patch.object(torch.cuda, "Event", _Event),
    ):
        yield


@contextlib.contextmanager
def settings_in_json(*more: Any) -> Iterator[None]:
    """USB's modules, and `more`, read settings files by the JSON module: YAML is another patch's affair."""

    def read(args: Any, path: str) -> None:
        if path:
            vars(args).update(json.loads(Path(path).read_text()))

    modules = [module for name, module in sys.modules.items() if name.startswith("semilearn")]
    with contextlib.ExitStack() as stack:
        for module in (*modules, *more):
            if hasattr(module, "over_write_args_from_file"):
                stack.enter_context(mock.patch.object(module, "over_write_args_from_file", read))
        yield


def seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Noisy:
    """A transform that draws from all three generators."""

    def __call__(self, image: Any) -> torch.Tensor:
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)
        if random.random() < 0.5:
            tensor = tensor.flip(-1)
        return tensor + 0.1 * np.random.rand() + 0.05 * torch.randn(1)


def images(
    seed: int, per_class: int | list[int], size: int = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-shaped images (n, size, size, 3) of 8-bit numbers, each class with a colour of its own."""
    generator = np.random.default_rng(seed)
    targets = np.repeat(np.arange(CLASSES), per_class)
    noise = generator.integers(0, 128, (len(targets), size, size, 3))
    noise[..., 0] += (targets * 128 // CLASSES)[:, None, None]
    return noise.astype(np.uint8), targets


def datasets(algorithm: str, size: int = SIZE) -> dict[str, Any]:
    """What USB's `get_dataset` gives: 8 labelled, 48 unlabelled, 12 evaluated images."""
    basic = usb("datasets.cv_datasets.datasetbase").BasicDataset

    def made(seed: int, per_class: int | list[int], is_ulb: bool) -> Any:
        data, targets = images(seed, per_class, size)
        strong = {"strong_transform": Noisy(), "medium_transform": Noisy()}
        return basic(algorithm, data, targets, CLASSES, Noisy(), is_ulb, **strong)

    held = made(3, 3, False)
    return {
        "train_lb": made(1, [3, 2, 2, 1], False), "train_ulb": made(2, 12, True), "eval": held, "test": held,
    }  # fmt: skip


def wide_net(num_classes: int, **_: Any) -> Any:
    """WRN-10-1: every algorithm of USB takes it."""
    return usb("nets.wrn.wrn").WideResNet(1, num_classes, depth=10, widen_factor=1)


class FlatNet(torch.nn.Module):
    """Two layers with batch norm, for images of 4 x 4: steps that cost next to nothing."""

    num_features = 8

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(48, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh()
        )
        self.classifier = torch.nn.Linear(8, num_classes)

    def forward(self, x: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        feat = self.body(x)
        return {"logits": self.classifier(feat), "feat": feat}


def settings(algorithm: str, imbalanced: str | None = None, **changed: Any) -> argparse.Namespace:
    """USB's namespace for an algorithm, its own options at their defaults."""
    registry = usb("core.utils.registry")
    values: dict[str, Any] = {
        "algorithm": algorithm, "imb_algorithm": imbalanced, "dataset": "synthetic", "net": "wrn_10_1",
        "num_classes": CLASSES, "num_labels": 8, "ulb_num_labels": None, "lb_imb_ratio": 1,
        "ulb_imb_ratio": 1, "data_dir": "", "img_size": SIZE, "include_lb_to_ulb": True, "epoch": 1,
        "num_train_iter": 8, "num_eval_iter": 100, "num_log_iter": 100, "num_warmup_iter": 0,
        "batch_size": 4, "uratio": 1, "eval_batch_size": 12, "num_workers": 0, "ulb_loss_ratio": 1.0,
        "train_sampler": "RandomSampler", "use_cat": True, "amp": False, "clip_grad": 0, "ema_m": 0.5,
        "save_dir": "", "save_name": "run", "resume": False, "load_path": None, "overwrite": True,
        "use_pretrain": False, "pretrain_path": "", "optim": "SGD", "lr": 0.1, "momentum": 0.9,
        "weight_decay": 1e-3, "layer_decay": 1.0, "use_wandb": False, "use_aim": False,
        "gpu": None, "rank": 0, "world_size": 1, "distributed": False, "seed": 0,
        "multiprocessing_distributed": False, "use_tensorboard": False,
    }  # fmt: skip
    chosen = [registry.ALGORITHMS[algorithm]]
    chosen += [registry.IMB_ALGORITHMS[imbalanced]] if imbalanced else []
    for declared in (a for c in chosen for a in c.get_argument()):
        values.setdefault(declared.name.lstrip("-"), declared.default)
    return argparse.Namespace(**{**values, **changed})


def build(
    algorithm: str,
    imbalanced: str | None = None,
    flat: bool = True,
    net_builder: Callable[..., torch.nn.Module] | None = None,
    **changed: Any,
) -> Any:
    """An algorithm on synthetic images, on a network that `flat` makes the smaller one, or a given one."""
    args = settings(algorithm, imbalanced, **changed)
    size = 4 if flat else SIZE
    seed_all(args.seed)
    log = mock.Mock()

    def get_dataset(*_: Any, **__: Any) -> dict[str, Any]:
        return datasets(algorithm, size)

    with (
        mock.patch.object(usb("core.algorithmbase"), "get_dataset", get_dataset),
        mock.patch.object(usb("imb_algorithms.crest.crest"), "get_dataset", get_dataset),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        small = (lambda num_classes, **_: FlatNet(num_classes)) if flat else wide_net
        net = net_builder or small
        if imbalanced:
            return usb("imb_algorithms").get_imb_algorithm(args, net, None, log)
        return usb("algorithms").get_algorithm(args, net, None, log)


SAME: dict[str, tuple[str, dict[str, Any]]] = {
    "layermatch": ("layermatch", {"ac_reset_iter": 3, "ac_lr": 50.0}),
    "layermatch, apart": ("layermatch", {"use_cat": False, "ac_reset_iter": 4}),
    "layermatch, no grad_relu": ("layermatch", {"grad_relu": False, "ac_loss_ratio": 0.3}),
    "layermatch, no ac": ("layermatch", {"ac_loss_ratio": 0.0, "use_quantile": True}),
    "smoothfixmatch": ("smoothfixmatch", {"p_cutoff": 0.5}),
    "smoothfixmatch, sqrt": ("smoothfixmatch", {"p_cutoff": 0.6, "smooth_exponent": 0.5}),
    "influence": (
        "influence",
        {"p_cutoff": 0.4, "influence_every": 2, "influence_lr": 0.4, "weight_decay": 1e-3},
    ),
    "as3l": ("as3l", {"p_cutoff": 0.6, "prior_until": 4}),
    "as3l, apart": ("as3l", {"p_cutoff": 0.6, "prior_until": 2, "use_cat": False}),
}
"""Cases in which a new algorithm must give the losses of ours: name of the algorithm, settings."""
STEPS = 6


def step_batch(seed: int) -> dict[str, torch.Tensor]:
    """A batch of 6 labelled and 12 unlabelled examples (3, 4, 4) in double precision."""
    generator = torch.Generator().manual_seed(seed)
    x_lb, x_w, noise = (
        torch.randn(n, 3, 4, 4, generator=generator, dtype=torch.float64) * 2 for n in (6, 12, 12)
    )
    return {
        "x_lb": x_lb,
        "y_lb": torch.randint(CLASSES, (6,), generator=generator),
        "x_ulb_w": x_w,
        "x_ulb_s": x_w + 0.3 * noise,
        "idx_ulb": torch.randperm(48, generator=generator)[:12],
    }


def prior_table(examples: int) -> np.ndarray:
    """Prior pseudo-labels (examples, CLASSES) in single precision; a third of the rows know nothing."""
    generator = np.random.default_rng(8)
    votes = generator.integers(0, 4, (examples, CLASSES)) * (np.arange(examples) % 3 > 0)[:, None]
    return (votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)).astype(np.float32)


class SameValidation:
    """The same validation batches for USB's influence hook and ours."""

    def batch(self, _: Any, number: int, __: Any) -> tuple[torch.Tensor, torch.Tensor]:
        found = step_batch(100 + number)
        return found["x_lb"], found["y_lb"]


def traced(algorithm: Any) -> dict[str, list[float]]:
    """What a run of `STEPS` optimizer steps on `step_batch` logs, and where its weights end.

    Args:
        algorithm: USB's or ours, on `FlatNet`; becomes a run in double precision.
    """
    generator = torch.Generator().manual_seed(5)
    for parameter in algorithm.model.parameters():
        scale = 2.0 if parameter.ndim > 1 else 0.3
        parameter.data = scale * torch.randn(
            parameter.shape, generator=generator, dtype=torch.float64
        )
    algorithm.model.double().train()
    optimizer = torch.optim.SGD(algorithm.model.parameters(), lr=0.1, momentum=0.9)
    wanted = inspect.signature(algorithm.train_step).parameters
    logs: dict[str, list[float]] = {}
    hooks = [h for h in algorithm.hooks_dict.values() if hasattr(h, "validation")]
    for hook in hooks:
        hook.validation = SameValidation()
    for step in range(STEPS):
        algorithm.it = step
        batch = {k: v for k, v in step_batch(step).items() if k in wanted}
        out, log = algorithm.train_step(**batch)
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
        algorithm.log_dict = {}
        for hook in hooks:
            hook.after_train_step(algorithm)
        logs.setdefault("loss", []).append(out["loss"].item())
        for key, value in log.items():
            logs.setdefault(key, []).append(float(value))
    for hook in hooks:
        logs["table"] = hook.table.tolist()
    logs["weights"] = [p.detach().square().sum().item() for p in algorithm.model.parameters()]
    return logs
