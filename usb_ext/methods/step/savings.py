"""Which rows of a step need no graph, and which need not go through the network at all.

A weak view is only looked at: where no loss goes back through it, its pass needs no graph. A strong view
whose weight is 0 adds nothing to any loss or gradient: it need not run. Both leave every number of a step as
it is, up to rounding, where the rows of a batch do not change each other (`independence.py`) and nothing
reads what is left out. Everything is decided once, at the first step that a process takes.

With several processes each leaves out rows of its own share; they decide alike.

`bn_rows: separate` is no saving but another method: batch norm in training mode does mix rows, and there the
weak views are normalised by themselves.
"""

import logging
from dataclasses import dataclass, field

import torch

from usb_ext.core.processes import largest
from usb_ext.methods.step.base import BaseRule
from usb_ext.methods.step.extension import Extension
from usb_ext.methods.step.independence import (
    batch_statistics,
    multiply_adds,
    why_rows_interact,
)
from usb_ext.methods.step.registry import EXTENSIONS
from usb_ext.methods.step.row_noise import RowNoise, noisy_layers
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Inputs, taken

_log = logging.getLogger(__name__)

ALWAYS, NEVER, SEPARATE = "always", "never", "separate"

LEAST_WORK = 1e7
"""ours: multiply-adds of a row; a network with fewer takes no longer than the calls of another pass do."""

TRIED = 4
"""ours: rows of each part of the first batch that the network is tried on."""


@dataclass(frozen=True)
class Choice:
    """What a step leaves out.

    Attributes:
        weak_graph: weak views run with a graph; else without.
        selected: strong views run where their weight is not 0; else all of them.
        noise: of the network's noisy layers.
    """

    weak_graph: bool = True
    selected: bool = False
    noise: RowNoise = field(default_factory=lambda: RowNoise(()))


class Savings:
    """Decides, at the first step, what the steps of an algorithm leave out.

    Args:
        weak: setting `weak_no_grad`: `auto`, `always` or `never`.
        strong: setting `selected_only`, likewise.
        rows: setting `bn_rows`: `separate` or None.

    Attributes:
        choice: None before the first step.
    """

    def __init__(self, weak: str, strong: str, rows: str | None = None) -> None:
        self.weak, self.strong, self.rows = weak, strong, rows
        self.choice: Choice | None = None

    def of_step(self, algorithm: RunningStep, x_lb: Inputs, x_w: Inputs) -> Choice:
        """What this step leaves out.

        Args:
            algorithm: the running algorithm.
            x_lb: (B, ...) labelled inputs, or a dict of them.
            x_w: (U, ...) weak views.
        """
        if self.choice is None:
            self.choice = self._decide(algorithm, x_lb, x_w)
        return self.choice

    def _decide(self, algorithm: RunningStep, x_lb: Inputs, x_w: Inputs) -> Choice:
        noise, some = RowNoise(noisy_layers(algorithm.model)), _some_rows(x_lb, x_w)
        weak = _unasked(self.weak, algorithm, some) or _weak_needed(algorithm)
        strong = _unasked(self.strong, algorithm, some) or _strong_needed(algorithm, noise)
        if not (weak and strong):
            mixed = why_rows_interact(algorithm.model, noise, some)
            if largest(int(bool(mixed))):
                mixed = mixed or "rows interact in another process"
                weak, strong = weak or mixed, strong or mixed
        _tell("weak views run without a graph", "weak_no_grad", self.weak, weak)
        _tell("strong views run where their weight is not 0", "selected_only", self.strong, strong)
        if self.rows == SEPARATE and not (kept := _one_batch_needed(algorithm)):
            _log.warning(
                "bn_rows is separate: batch norm takes the weak views by themselves, which is another method "
                "than USB's one batch; compare runs that agree in it"
            )
            weak = ""
        elif self.rows == SEPARATE:
            _log.warning("bn_rows is separate, but it changes nothing here: %s", kept)
        return Choice(weak_graph=bool(weak), selected=not strong, noise=noise)


def _unasked(setting: str, algorithm: RunningStep, x: Inputs) -> str:
    """Why a saving is not even considered; empty where it is."""
    if setting == NEVER:
        return "it is never to be"
    if setting == ALWAYS:
        return ""
    if any(p.device.type != "cpu" for p in algorithm.model.parameters()):
        return "it has not been measured on this device"
    if getattr(algorithm.args, "compile", "off") != "off":
        return "the network is compiled"
    if not batch_statistics(algorithm.model) and multiply_adds(algorithm.model, x) < LEAST_WORK:
        return "the network is too small to gain from it"
    return ""


def _weak_needed(algorithm: RunningStep) -> str:
    """Why the weak views keep their graph, or have none to lose; empty where it can go."""
    if kept := _features_read(algorithm):
        return kept
    if algorithm.rule.one_view:
        return f"{algorithm.rule.name} learns on the weak views"
    if not algorithm.use_cat or algorithm.rule.teacher(algorithm) is not None:
        return "they have none"
    if readers := [p.name for p in _parts(algorithm) if p.through_weak(algorithm)]:
        return f"a loss of {', '.join(readers)} goes back through them"
    return _compiled_noise(algorithm)


def _one_batch_needed(algorithm: RunningStep) -> str:
    """Why `bn_rows: separate` leaves the weak views where they are; empty where they go apart."""
    if not batch_statistics(algorithm.model):
        return "the network has no batch norm in training mode"
    return _weak_needed(algorithm)


def _strong_needed(algorithm: RunningStep, noise: RowNoise) -> str:
    """Why all strong views run; empty where those with a weight of 0 need not."""
    if kept := _features_read(algorithm):
        return kept
    if algorithm.rule.one_view:
        return f"{algorithm.rule.name} has none"
    if readers := [p.name for p in _parts(algorithm) if p.all_strong(algorithm)]:
        return f"{', '.join(readers)} may read all of them"
    if noise.layers and not algorithm.use_cat:
        return "with use_cat: False dropout draws for them before it draws for the weak views"
    return _compiled_noise(algorithm)


def _features_read(algorithm: RunningStep) -> str:
    """Imbalanced algorithms put losses on the features of every view."""
    imbalanced = getattr(algorithm.args, "imb_algorithm", None)
    return f"imb_algorithm {imbalanced} reads the features of every view" if imbalanced else ""


def _compiled_noise(algorithm: RunningStep) -> str:
    compiled = getattr(algorithm.args, "compile", "off") != "off"
    if compiled and noisy_layers(algorithm.model):
        return "a compiled network draws dropout by itself"
    return ""


def _parts(algorithm: RunningStep) -> list[BaseRule | Extension]:
    """The base and the extensions of a run."""
    return [algorithm.rule, *(EXTENSIONS[name] for name in algorithm.extensions)]


def _some_rows(x_lb: Inputs, x_w: Inputs) -> Inputs:
    """A few of a step's inputs: of texts, which are padded part by part, the weak views alone."""
    if isinstance(x_lb, dict) or isinstance(x_w, dict):
        return taken(x_w, slice(TRIED))
    if x_lb.shape[1:] != x_w.shape[1:]:
        return x_w[:TRIED]
    return torch.cat((x_lb[:TRIED], x_w[:TRIED]))


def _tell(what: str, name: str, setting: str, reason: str) -> None:
    if not reason:
        _log.info(
            "%s, which changes results by rounding at most (%s: never to do without)", what, name
        )
    elif setting == ALWAYS:
        _log.warning("%s is always, but it changes nothing here: %s", name, reason)
