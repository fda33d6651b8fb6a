"""Tiny pre-trainings on digits."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch

from usb_ext.as3l.pretrain.loop import Pretraining
from usb_ext.as3l.pretrain.stage import pretrain
from usb_ext.core.errors import Interrupted
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.engine.parts import Stop
from usb_ext.settings import LoadedSettings, load_settings

TINY: dict[str, Any] = {
    "dataset": "digits", "num_classes": 10, "num_labels": 10, "net": "wrn_10_1", "img_size": 8,
    "device": "cpu", "num_threads": 1, "progress": "off", "num_workers": 0,
    "ssl_epochs": 3, "ssl_batch_size": 400, "ssl_lr": 0.1, "ssl_projector_dim": 16,
    "ssl_predictor_dim": 8, "ssl_eval_epochs": 2, "ssl_save_epochs": 1, "ssl_knn": 5,
    "ssl_name": "ssl",
}  # fmt: skip


def tiny(folder: Path, **changed: Any) -> LoadedSettings:
    """Settings of a tiny pre-training in `folder/ssl`: 3 epochs of 3 steps."""
    return load_settings({**TINY, "save_dir": str(folder)}, changed)


def pretrained(folder: Path, stop_after: int | None = None, **changed: Any) -> str | None:
    """Pre-train; with `stop_after` it is asked to stop in that step and gives None."""
    stop, original = Stop(), Pretraining.one_step

    def one_step(self: Any, step: int) -> Any:
        loss = original(self, step)
        if self.stop is stop and step + 1 == stop_after and self.step == step:
            stop.requested = signal.SIGTERM
        return loss

    if stop_after is None:
        return pretrain(tiny(folder, **changed))
    Pretraining.one_step = one_step  # type: ignore[method-assign]
    try:
        pretrain(tiny(folder, **changed), stop)
    except Interrupted as error:
        assert error.exit_code == 143
        return None
    finally:
        Pretraining.one_step = original  # type: ignore[method-assign]
    raise AssertionError("it was not interrupted")


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    """Rows of `metrics.jsonl` without the wall-clock time."""
    lines = (folder / "ssl" / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


def features_of(images: np.ndarray, net: torch.nn.Module) -> np.ndarray:
    """Features of plain images, by Pillow-free arithmetic of our own."""
    arrays = load_digits_arrays(8)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
    x = (x - arrays.mean[0]) / arrays.std[0]
    with torch.no_grad():
        found: np.ndarray = net.double().eval()(x)["feat"].numpy()
    return found
