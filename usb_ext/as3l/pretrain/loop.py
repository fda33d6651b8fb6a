"""The loop of pre-training: SGD on a cosine, checkpoints, looks at the features, the wish to stop.

A checkpoint holds all state, so that a stopped pre-training goes on bit by bit as if it had not been
stopped. How long it will take is measured on a few steps before it starts.

Several processes take the steps of one: each has its rows of a batch, every one the loss of all rows, and
gradients are summed. The first one writes.
"""

import copy
import json
import logging
import math
import time
from collections.abc import Callable

import torch

from usb_ext.as3l.pretrain.batches import TwoViews
from usb_ext.as3l.pretrain.method import SelfSupervised
from usb_ext.core.errors import Interrupted, RunFailed
from usb_ext.core.files import RunFolder, cut_lines
from usb_ext.core.processes import sum_in_place, world
from usb_ext.engine import checkpoint
from usb_ext.engine.acceleration import precision
from usb_ext.engine.loop import seed_process
from usb_ext.engine.parts import Stop
from usb_ext.engine.state import get_random_state, set_random_state
from usb_ext.upstream.running import State


def collect(training: "Pretraining") -> State:
    """The state of a `loop.Pretraining`, in the envelope of the engine's checkpoints.

    Views and order depend on the step alone and need none; the global generators are kept for networks
    with dropout.
    """
    metrics = training.folder.metrics
    return {
        "method": training.method.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "step": training.step,
        "loss_sum": training.loss_sum,
        "usb_ext": {
            "format": checkpoint.FORMAT,
            "settings": training.settings,
            "random": get_random_state(),
            "seconds": training.seconds,
            "bytes": metrics.stat().st_size if metrics.exists() else 0,
        },
    }


def restore(training: "Pretraining", state: State) -> None:
    """Put a `loop.Pretraining` where `collect` found it; metrics written since are cut off."""
    own, metrics = state["usb_ext"], training.folder.metrics
    training.method.load_state_dict(state["method"])
    training.optimizer.load_state_dict(state["optimizer"])
    training.step, training.seconds_before = state["step"], own["seconds"]
    training.loss_sum.copy_(state["loss_sum"])
    if world().first:
        cut_lines(metrics, own["bytes"])
    set_random_state(own["random"])


_log = logging.getLogger(__name__)
Scores = Callable[[SelfSupervised], dict[str, float]]


class Pretraining:
    """A method in training; all that a step depends on is saved and restored, bit by bit.

    Args:
        method: backbone and heads, on their device.
        views: the batches.
        scores: looks at the features.
        settings: the names that decide the result, with their values; kept in checkpoints.
        folder: where checkpoints and metrics go.
        stop: the wish to stop.
        amp: `off` or `bf16`.
    """

    def __init__(
        self,
        method: SelfSupervised,
        views: TwoViews,
        scores: Scores,
        settings: State,
        folder: RunFolder,
        stop: Stop,
        amp: str,
    ) -> None:
        self.method, self.views, self.scores = method, views, scores
        self.settings, self.folder, self.stop, self.amp = settings, folder, stop, amp
        self.total = settings["ssl_epochs"] * views.steps
        self.optimizer = torch.optim.SGD(
            method.learned(),
            lr=settings["ssl_lr"],
            momentum=settings["ssl_momentum"],
            weight_decay=settings["ssl_weight_decay"],
        )
        device = next(method.parameters()).device
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.step, self.seconds_before, self.started = 0, 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds trained, over all sittings."""
        return self.seconds_before + time.perf_counter() - self.started

    def train(self) -> None:
        """From the current step to the end.

        Raises:
            Interrupted: after a checkpoint, when a signal asked for it.
            RunFailed: a loss that is not finite.
        """
        self.started = time.perf_counter()
        while self.step < self.total:
            self.loss_sum += self.one_step(self.step)
            self.step += 1
            self.stop.agree()
            epoch, rest = divmod(self.step, self.views.steps)
            if rest == 0:
                self._end_epoch(epoch)
            if self.stop.requested:
                self.save()
                raise Interrupted(
                    f"stopped after step {self.step} of {self.total}; checkpoint written to "
                    f"{self.folder.latest}; continue with --resume",
                    self.stop.requested,
                )

    def one_step(self, step: int) -> torch.Tensor:
        """One update; gives the loss, shape (), without waiting for the device."""
        self.method.train()
        if world().size > 1:
            seed_process(self.settings["ssl_seed"], step)
        done = step / max(1, self.total)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["ssl_lr"] * (math.cos(math.pi * done) + 1) / 2
        with precision(self.amp, self.loss_sum.device):
            loss: torch.Tensor = self.method(*self.views.batch(step), self.views.batch_size)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        sum_in_place([p.grad for p in self.method.learned() if p.grad is not None])
        self.optimizer.step()
        self.method.after_step(done)
        return loss.detach()

    def _end_epoch(self, epoch: int) -> None:
        """Log the epoch, look at the features and save, each when it is due."""
        loss = float(self.loss_sum) / self.views.steps
        self.loss_sum.zero_()
        if not math.isfinite(loss):
            raise RunFailed(
                f"loss is {loss} in epoch {epoch} of pre-training; {self.folder.kept}; lower ssl_lr"
            )
        last = self.step == self.total
        row: dict[str, float] = {"epoch": epoch, "it": self.step, "loss": loss}
        row["lr"] = self.optimizer.param_groups[0]["lr"]
        if last or epoch % self.settings["ssl_eval_epochs"] == 0:
            row |= self.scores(self.method)
            self._say(row)
        row["time"] = round(self.seconds, 3)
        if world().first:
            with self.folder.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        if last or epoch % self.settings["ssl_save_epochs"] == 0:
            self.save()

    def _say(self, row: dict[str, float]) -> None:
        seconds = self.seconds * (self.total - self.step) / max(1, self.step)
        knn = f"kNN accuracy {100 * row['knn']:.2f}%  " if "knn" in row else ""
        _log.info(
            "epoch %d/%d  loss %.4f  %sspread %.2f  %.1f min left",
            *(row["epoch"], self.total // self.views.steps, row["loss"], knn, row["spread"]),
            seconds / 60,
        )

    def save(self) -> None:
        """Write the newest checkpoint; the one before stays as `previous_model.pth`."""
        networks = {"method": self.method}
        checkpoint.check_finite(networks, self.optimizer, self.folder, self.step)
        if world().first:
            checkpoint.write(self.folder, collect(self))


STEPS = 2


def seconds_a_step(training: Pretraining) -> float:
    """Seconds of one step, on a copy: the training is left as it is, its random numbers too.

    Args:
        training: not yet started.

    Returns:
        The mean of `STEPS` steps after one to warm up.
    """
    saved = get_random_state()
    trial = copy.copy(training)
    trial.method = copy.deepcopy(training.method)
    group = training.optimizer.param_groups[0]
    trial.optimizer = torch.optim.SGD(trial.method.learned(), lr=group["lr"], momentum=0.9)
    float(trial.one_step(0))
    start = time.perf_counter()
    for step in range(STEPS):
        float(trial.one_step(step))
    seconds = (time.perf_counter() - start) / STEPS
    set_random_state(saved)
    return seconds


def in_words(seconds: float) -> str:
    """A duration as people say it: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for unit, length, decimals in (("days", 86400, 1), ("h", 3600, 1), ("min", 60, 0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.{decimals}f} {unit}"
    return f"{seconds:.0f} s"
