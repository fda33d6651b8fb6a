"""Tiny pre-trainings on digits."""

import contextlib
import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch

from support.run import TINY as TINY_RUN
from support.run import undrawn
from support.steps import gap
from usb_ext.as3l.pretrain.build import build
from usb_ext.as3l.pretrain.loop import Pretraining
from usb_ext.as3l.pretrain.stage import pretrain
from usb_ext.cli.main import main
from usb_ext.core.errors import Interrupted, ToldElsewhere, UsbExtError
from usb_ext.core.files import RunFolder
from usb_ext.core.processes import ALONE, entered, world
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.training_set import load_training_set
from usb_ext.engine.parts import Stop
from usb_ext.settings import LoadedSettings, load_settings

TINY: dict[str, Any] = {
    "dataset": "digits", "num_classes": 10, "num_labels": 10, "net": "wrn_10_1", "img_size": 8,
    "device": "cpu", "num_threads": 1, "progress": "off", "num_workers": 0,
    "ssl_epochs": 3, "ssl_batch_size": 400, "ssl_lr": 0.1, "ssl_projector_dim": 16,
    "ssl_predictor_dim": 8, "ssl_eval_epochs": 2, "ssl_save_epochs": 1, "ssl_knn": 5,
    "ssl_name": "ssl",
}  # fmt: skip


WHOLE: dict[str, Any] = {
    **TINY_RUN, **TINY, "algorithm": "as3l", "label_split": "file", "label_file": "auto",
    "prior_file": "auto", "prior_until": 2, "use_pretrain": True, "pretrain_path": "auto",
    "num_train_iter": 4, "num_eval_iter": 2, "ssl_epochs": 1, "as3l_tune_epochs": 1, "as3l_runs": 2,
    "augment": "batched",
}  # fmt: skip
"""Settings by which `usb-ext train` pre-trains, chooses ten images and trains four steps."""


def commanded(command: str, folder: str) -> tuple[int, str]:
    """A command on `WHOLE`: its exit code and what it prints."""
    words = [w for k, v in {**WHOLE, "save_dir": folder}.items() for w in (f"--{k}", str(v))]
    said = io.StringIO()
    with undrawn(), contextlib.redirect_stdout(said):
        code = main([command, *words])
    return code, said.getvalue()


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
    except (Interrupted, ToldElsewhere) as error:
        assert error.exit_code == 143
        return None
    finally:
        Pretraining.one_step = original  # type: ignore[method-assign]
    raise AssertionError("it was not interrupted")


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    """Rows of `metrics.jsonl` without the wall-clock time."""
    lines = (folder / "ssl" / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


def stepped(folder: Path, steps: int, **changed: Any) -> dict[str, torch.Tensor]:
    """Weights, buffers, momenta, losses, and what is seen of the features after some steps in float64."""
    settings = tiny(folder, **changed).settings
    data = load_training_set(settings)
    training, watch = build(settings, data, RunFolder(folder), torch.device("cpu"), Stop())
    method = training.method.double()
    for network in (method.backbone, *(method.target or ())):
        network.register_forward_pre_hook(lambda _, given: (given[0].double(),))
    method.projector.register_forward_pre_hook(lambda _, given: (given[0].double(),))
    losses = [training.one_step(step) for step in range(steps)]
    found = {**method.state_dict(), "losses": torch.stack(losses)}
    for number, kept in enumerate(training.optimizer.state.values()):
        found[f"momentum{number}"] = kept["momentum_buffer"]
    with watch.judged(method):
        features = watch.training_features(method)
        scores = watch.scores_of(method, features)
    found |= {"features": features, **{k: torch.tensor(v) for k, v in scores.items()}}
    return {name: value.detach().clone() for name, value in found.items()}


def compared(folder: str, cases: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """Of each case the gap between the steps of all processes and those of one alone."""
    found = []
    for changed in cases:
        shared = stepped(Path(folder), 3, **changed)
        with entered(ALONE):
            found.append(gap(stepped(Path(folder), 3, **changed), shared))
    return found


def ended(folder: str, stop_after: int | None, changed: dict[str, Any]) -> tuple[int, bool, str]:
    """How a process's pre-training ends: its exit code, whether it says so, and what."""
    try:
        told = pretrained(Path(folder), stop_after, **changed)
    except UsbExtError as error:
        says = not isinstance(error, ToldElsewhere)
        return error.exit_code, says, str(error if says else error.__cause__)
    return (143, False, "") if told is None else (0, True, told)


def dies(folder: str) -> tuple[int, bool, str]:
    """A process of several whose second one is killed in its sixth step."""
    original = Pretraining.one_step

    def one_step(self: Any, step: int) -> Any:
        loss = original(self, step)
        if world().rank == 1 and self.step == step == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    Pretraining.one_step = one_step  # type: ignore[method-assign]
    return ended(folder, None, {})


def features_of(images: np.ndarray, net: torch.nn.Module) -> np.ndarray:
    """Features of plain images, by Pillow-free arithmetic of our own."""
    arrays = load_digits_arrays(8)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
    x = (x - arrays.mean[0]) / arrays.std[0]
    with torch.no_grad():
        found: np.ndarray = net.double().eval()(x)["feat"].numpy()
    return found
