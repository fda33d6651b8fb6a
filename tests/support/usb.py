"""USB's classes and ours side by side, without data sets or engine: only their `train_step`."""

import sys
import warnings
from argparse import Namespace
from typing import Any

import torch

from usb_ext.methods.named import on_base, register
from usb_ext.methods.step.step import WeakStrong
from usb_ext.upstream.quiet import printed_to_log
from usb_ext.upstream.usb import ALGORITHMS

NUM_CLASSES = 5
NUM_UNLABELLED = 60
FAST: dict[str, Any] = {"ac_momentum": 0.5, "ac_lr": 0.5, "ulb_loss_ratio": 1.0, "ema_p": 0.5}
"""LayerMatch's running means, made to move within a few steps."""
Gradients = dict[str, torch.Tensor]


class TinyNet(torch.nn.Module):
    """Batch norm, dropout-free, a head named `classifier`: what a step can disturb."""

    def __init__(self, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(12, 16), torch.nn.BatchNorm1d(16), torch.nn.Tanh()
        )
        self.classifier = torch.nn.Linear(16, num_classes)
        with torch.no_grad():
            self.classifier.weight.mul_(
                8.0
            )  # confident from the start, so that something is selected

    def forward(self, x: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        feat = self.body(x)
        return {"logits": self.classifier(feat), "feat": feat}


def usb_arguments(algorithm: type, **changed: Any) -> Namespace:
    """USB's namespace for a class, its own options at their defaults."""
    values: dict[str, Any] = {
        "algorithm": "x", "dataset": "none", "num_classes": NUM_CLASSES, "num_labels": 5,
        "data_dir": "", "include_lb_to_ulb": True, "ema_m": 0.9, "epoch": 2, "num_train_iter": 20,
        "num_eval_iter": 100, "num_log_iter": 100, "ulb_loss_ratio": 1.5, "use_cat": True,
        "amp": False, "clip_grad": 0, "save_name": "x", "save_dir": "x", "resume": False, "gpu": None,
        "rank": 0, "distributed": False, "world_size": 1, "use_pretrain": False, "pretrain_path": "",
        "optim": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "layer_decay": 1.0,
        "num_warmup_iter": 0, "use_wandb": False, "use_aim": False, "batch_size": 6, "uratio": 2,
        "ulb_dest_len": NUM_UNLABELLED, "lb_dest_len": 5,
    }  # fmt: skip
    for declared in algorithm.get_argument():
        values.setdefault(declared.name.lstrip("-"), declared.default)
    values.update(changed)
    return Namespace(**values)


def build(algorithm: type, **changed: Any) -> Any:
    """An instance with seeded float64 weights; no data set, no engine."""
    args = usb_arguments(algorithm, **changed)
    torch.manual_seed(7)
    with printed_to_log(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = algorithm(args, lambda num_classes, **_: TinyNet(num_classes))
    made.model.double().train()
    made.optimizer = torch.optim.SGD(made.model.parameters(), lr=0.1, momentum=0.9)
    return made


def usb_class(name: str) -> type:
    """USB's own class of a base."""
    register()
    found: type = ALGORITHMS[name]
    return found


def our_class(name: str) -> type:
    """Ours of the same name."""
    return on_base(name)


def batch(seed: int, batch_size: int = 6, uratio: int = 2) -> dict[str, torch.Tensor]:
    """A random batch: labelled rows, weak and strong views, positions."""
    generator = torch.Generator().manual_seed(seed)
    unlabelled = batch_size * uratio

    def normal(n: int) -> torch.Tensor:
        return torch.randn(n, 12, generator=generator, dtype=torch.float64) * 3

    weak = normal(unlabelled)
    return {
        "x_lb": normal(batch_size),
        "y_lb": torch.randint(NUM_CLASSES, (batch_size,), generator=generator),
        "x_ulb_w": weak,
        "x_ulb_s": weak + 0.3 * normal(unlabelled),
        "idx_ulb": torch.randperm(NUM_UNLABELLED, generator=generator)[:unlabelled],
    }


def step(algorithm: Any, seed: int) -> tuple[dict[str, float], Gradients]:
    """Log and gradients of one step; the optimizer has moved the network afterwards."""
    algorithm.it = seed
    data = batch(seed)
    if not isinstance(algorithm, WeakStrong):
        data.pop("idx_ulb")
    out, log = algorithm.train_step(**data)
    algorithm.optimizer.zero_grad()
    out["loss"].backward()
    found = {n: p.grad.clone() for n, p in algorithm.model.named_parameters()}
    algorithm.optimizer.step()
    return {k.removeprefix("train/"): float(v) for k, v in log.items()}, found


def usb_module(name: str) -> Any:
    """A module of semilearn that is already imported."""
    return sys.modules[name]
