"""CReST on the engine: the common loop once a generation, resumable in each."""

import contextlib
import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.optimizers import optimizers_fused
from usb_ext.upstream.running import Arguments, Datasets, State, served
from usb_ext.upstream.shared import UnlabelledEvaluation, drop_hooks

# isort: split
from semilearn.imb_algorithms.crest.crest import CReST
from semilearn.imb_algorithms.crest.utils import CReSTCheckpointHook, CReSTLoggingHook


@contextlib.contextmanager
def numpy_with_math() -> Iterator[None]:
    """`np.math`, which NumPy 2 took away, for USB's `get_split`. (Removed by: "math for np.math".)"""
    if hasattr(np, "math"):
        yield
        return
    np.math = math  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del np.math  # type: ignore[attr-defined]


class CReSTOnEngine(UnlabelledEvaluation, CReST):  # type: ignore[misc]
    """CReST and CReST+: after each generation a new network learns from more labelled images.

    The record of a run is that of its last generation; `metrics_gen_0.jsonl` and so on hold the others.
    A checkpoint is written when a generation begins, so a run may be stopped anywhere. As in USB the
    labelled images are not served as unlabelled ones.

    USB's class fetches its data itself and so loses the label split; it has its own loop, a logging
    hook that reads an attribute that does not exist, and a division by zero for one generation.
    (Removed by: "CReST around the common loop".)

    Raises:
        SettingsError: with extensions, which are bound to the first generation's network.
    """

    def __init__(self, args: Arguments, **kwargs: Any) -> None:
        self.gen = 0
        super().__init__(args, **kwargs)
        if getattr(self, "extensions", ()):
            raise SettingsError(
                f"imb_algorithm {args.imb_algorithm} builds a new network each generation and cannot "
                f"carry extensions [{', '.join(self.extensions)}]; leave one of the two out"
            )

    def set_hooks(self) -> None:
        """The engine's record and checkpoints instead of USB's."""
        super().set_hooks()
        drop_hooks(self, CReSTCheckpointHook, CReSTLoggingHook)

    def set_dataset(self, pseudo_label_list: list[NDArray[np.int64]] | None = None) -> Datasets:
        """The stage's data sets, the labelled one with the pseudo-labelled images added.

        Args:
            pseudo_label_list: for each class positions (n,) in the unlabelled set, surest first.
        """
        datasets: Datasets = super(CReST, self).set_dataset()
        labelled, evaluated = (
            copy.copy(served(datasets, name)) for name in ("train_lb", "train_ulb")
        )
        evaluated.is_ulb = False
        with numpy_with_math():
            labelled.data, labelled.targets = self.get_split(
                labelled.data,
                labelled.targets,
                evaluated.data,
                evaluated.targets,
                pseudo_label_list,
            )
        self.args.lb_dest_len = len(labelled)
        return {**datasets, "train_lb": labelled, "eval_ulb": evaluated}

    def train(self) -> None:
        """Every generation that is left, from the step where the running one stands."""
        self._set_alignment()
        self.train_steps()
        while self.gen + 1 < self.num_gens:
            self.pseudo_label_list = self._surest_by_class()
            self._next_generation()
            self.train_steps()
        self.call_hook("after_run")

    def load(self, state: State) -> None:
        """Go on from a checkpoint, with the labelled images of its generation."""
        super().load(state)
        if self.gen > 0:
            self._set_data()

    def _set_alignment(self) -> None:
        """CReST+, Sec. 3.4: the temperature goes from 1 to `dist_align_t` over the generations."""
        share = self.gen / max(1, self.num_gens - 1) if self.pro_dist_align else 1.0
        self.cur_dist_align_t = (1.0 - share) + share * self.dist_align_t

    def _set_data(self) -> None:
        self.dataset_dict = self.set_dataset(self.pseudo_label_list)
        self.loader_dict = self.set_data_loader()

    def _surest_by_class(self) -> list[NDArray[np.int64]]:
        """Positions of the unlabelled images by predicted class, surest first."""
        logits = self.evaluate("eval_ulb", return_logits=True)["eval_ulb/logits"]
        score, predicted = torch.softmax(torch.from_numpy(logits), dim=1).max(dim=1)
        order = torch.argsort(score, descending=True, stable=True)
        return [order[predicted[order] == c].numpy() for c in range(self.num_classes)]

    def _next_generation(self) -> None:
        """New network, averages, optimizer and labelled images; hooks keep what they have learned."""
        self.call_hook("restart", name=f"gen_{self.gen}")
        self.gen += 1
        self.it, self.epoch, self.best_it, self.best_eval_acc = 0, 0, 0, 0.0
        self._set_data()
        self.model = self.set_model()
        self.ema_model = self.set_ema_model()
        self.place_networks()
        with optimizers_fused(self.args.fused_optimizer):
            self.optimizer, self.scheduler = self.set_optimizer()
        self.call_hook("before_run", "EMAHook")
        self._set_alignment()
        self.save()
