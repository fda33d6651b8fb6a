"""Tiny runs on points of the plane."""

from pathlib import Path
from typing import Any

from support.built import built
from support.run import run

MOONS: dict[str, Any] = {
    "algorithm": "pseudolabel", "dataset": "moons", "num_classes": 2, "num_labels": 10,
    "net": "mlp_100_100", "include_lb_to_ulb": False, "toy_train": 60, "toy_test": 40,
    "optim": "AdamW", "lr": 0.01, "weight_decay": 0.0, "batch_size": 10, "ema_m": 0.0,
}  # fmt: skip


def run_points(folder: Path, stop_after: int | None = None, **changed: Any) -> Any:
    """A whole run on moons, or on what is asked for."""
    return run(folder, stop_after, **{**MOONS, **changed})


def built_points(folder: Path, **changed: Any) -> Any:
    """The algorithm of such a run, not trained."""
    return built(folder, **{**MOONS, **changed})
