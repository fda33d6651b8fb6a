"""Tiny runs on digits, stopped where a test wants them stopped."""

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import torch

import usb_ext
from usb_ext.core.errors import Interrupted
from usb_ext.core.result import RunResult
from usb_ext.engine.loop import Loop
from usb_ext.engine.parts import Stop
from usb_ext.settings import load_settings
from usb_ext.training.train import train

ROOT = Path(usb_ext.__file__).parents[1]
TINY: dict[str, Any] = {
    "algorithm": "layermatch", "dataset": "digits", "num_classes": 10, "num_labels": 10,
    "net": "wrn_10_1", "img_size": 16, "batch_size": 4, "uratio": 2, "epoch": 2,
    "num_train_iter": 8, "num_eval_iter": 4, "num_log_iter": 1, "eval_batch_size": 500,
    "num_workers": 0, "num_threads": 1, "progress": "off", "device": "cpu", "ema_m": 0.9,
    "save_name": "run",
}  # fmt: skip
SIX: dict[str, Any] = {"num_train_iter": 6, "epoch": 2, "num_eval_iter": 3, "lr": 0.05}
"""Two epochs of three steps, each with an evaluation at its end."""
UNBALANCED: dict[str, Any] = {
    "num_labels": 6, "lb_imb_ratio": 5.0, "ulb_num_labels": 20, "ulb_imb_ratio": 5.0,
}  # fmt: skip
"""Classes of 6, 5, 4, 3, 2, 2, 2, 1, 1 and 1 labelled images; 101 unlabelled ones."""


def undrawn() -> Any:
    """Inside, curves and confusion matrices are not drawn: they take longer than a tiny run."""
    return patch.multiple("usb_ext.training.report", draw_curves=Mock(), draw_confusion=Mock())


def run(
    folder: Path, stop_after: int | None = None, *, pictures: bool = False, **changed: Any
) -> RunResult | None:
    """Train a tiny run in `folder/run`; with `stop_after` it is interrupted there and gives None.

    Curves and confusion matrix are drawn only where a test asks for them. Its method is the settings' own, so
    no recipe takes the place of what is given here (`usb_ext/settings/change.py`).
    """
    method = {n: changed[n] for n in ("algorithm", "base", "imb_algorithm") if n in changed}
    loaded = load_settings({**TINY, **method, "save_dir": str(folder)}, changed)
    if stop_after is None:
        with nullcontext() if pictures else undrawn():
            return train(loaded)
    stop, original = Stop(), Loop._end_epoch

    def end_epoch(self: Any) -> None:
        original(self)
        if self.it == stop_after:
            stop.requested = signal.SIGTERM

    Loop._end_epoch = end_epoch  # type: ignore[method-assign]
    try:
        train(loaded, stop)
    except Interrupted as error:
        assert error.exit_code == 143
        return None
    finally:
        Loop._end_epoch = original  # type: ignore[method-assign]
    raise AssertionError("the run was not interrupted")


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, in the checkout and with nothing else on its path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=ROOT, env=environment
    )


def checkpoint_of(folder: Path, name: str = "latest_model.pth") -> dict[str, Any]:
    """A run's checkpoint, read the safe way."""
    state: dict[str, Any] = torch.load(folder / "run" / name, weights_only=True)
    return state


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """Rows of `metrics.jsonl` without the wall-clock time."""
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").open()]
    return [{k: v for k, v in row.items() if k != "time"} for row in rows]


def assert_same_state(left: Any, right: Any, path: str = "") -> None:
    """Bit-by-bit equality of two checkpoints, but for wall-clock seconds and the settings."""
    if isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype and torch.equal(left, right), path
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), (path, left.keys() ^ right.keys())
        for key in left:
            if key not in ("settings", "seconds", "bytes", "crc"):
                assert_same_state(left[key], right[key], f"{path}/{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), path
        for number, pair in enumerate(zip(left, right, strict=True)):
            assert_same_state(*pair, f"{path}/{number}")
    else:
        assert left == right, (path, left, right)
