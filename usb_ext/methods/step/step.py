"""The package's only `train_step`: a base's rule, and any subset of extensions on top of it.

forward -> weak probabilities -> weights -> targets -> losses -> logs. The base (`bases/`) says how
weak views become weights and targets, with USB's own hooks; an extension adds or changes one thing.
A named algorithm is a declared choice of both. The classes work in USB's own loop as well as
in our engine.

Where several processes train one run (`core/processes.py`), inputs are this process's share of the batch, and
everything after the forward pass is of the whole batch in each of them: views, weak probabilities, weights,
targets, losses.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from usb_ext.core.processes import gathered_rows, world
from usb_ext.methods.step.arguments import usb_arguments
from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.extension import selected_share
from usb_ext.methods.step.head_tap import HeadTap, find_head
from usb_ext.methods.step.registry import EXTENSIONS, RULES
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.savings import NEVER, Choice, Savings
from usb_ext.methods.step.views import (
    Inputs,
    Views,
    forward_apart,
    forward_before_strong,
    forward_one_view,
    forward_taught,
    forward_together,
    forward_weak_apart,
    of_all_processes,
    rows_with_weight,
    strong_of_all_processes,
    with_strong,
)
from usb_ext.settings.algorithms import ALGORITHMS, Algorithm
from usb_ext.settings.model import default_of, options_of
from usb_ext.upstream.running import Arguments, Logger, ScalarLog, StepLog, StepOutput
from usb_ext.upstream.usb import AlgorithmBase, SSL_Argument

StepResult = tuple[StepOutput, StepLog]

SAVINGS = ("weak_no_grad", "selected_only")
"""Settings of what a step leaves out; off where USB's own loop knows none."""

ROWS = "rows/step"
"""Name in the log of how many rows went through the network with a graph."""

if TYPE_CHECKING:

    class Base(AlgorithmBase, RunningStep):
        """USB's base class, of whose members more are known: what a rule's `prepare` and hooks set."""

else:
    Base = AlgorithmBase


class WeakStrong(Base):
    """A weak/strong method: base `args.base`, extensions `args.extensions`.

    Args:
        args: USB's namespace with the base's arguments, those of the extensions, and
            `ulb_loss_mean` (`batch` or `selected`).
        net_builder: callable that builds the network.
        tb_log: USB's TensorBoard log or None.
        logger: logger or None.
    """

    declared: ClassVar[Algorithm] = ALGORITHMS["weak_strong"]

    def __init__(
        self,
        args: Arguments,
        net_builder: Callable[..., nn.Module],
        tb_log: ScalarLog | None = None,
        logger: Logger | None = None,
    ) -> None:
        self.rule = RULES[getattr(args, "base", None) or self.declared.base]
        self.extensions = self.choose_extensions(args)
        self.head_tap: HeadTap | None = None
        self.ulb_loss_mean = getattr(args, "ulb_loss_mean", "batch")
        weak, strong = (getattr(args, name, NEVER) for name in SAVINGS)
        self.savings = Savings(weak, strong, getattr(args, "bn_rows", None))
        super().__init__(args, net_builder, tb_log, logger)
        self.rule.prepare(self, args)

    @classmethod
    def choose_extensions(cls, args: Arguments) -> tuple[str, ...]:
        """Declared and asked-for extensions, less those switched off (`grad_relu: False`)."""
        asked = (*cls.declared.extensions, *(getattr(args, "extensions", None) or ()))
        return tuple(n for n in EXTENSIONS if n in asked and getattr(args, n, None) is not False)

    @classmethod
    def get_argument(cls) -> list[SSL_Argument]:
        """USB argument declarations of the declared base and of every extension."""
        base = RULES[cls.declared.base].options
        own = {name: value for name, value in cls.declared.options.items() if name in base}
        options = {**base, **own}
        for name in EXTENSIONS:
            options.update({option: default_of(option) for option in options_of(name)})
        return usb_arguments(options)

    def set_hooks(self) -> None:
        """Register the base's hooks, then the extensions', then the engine's or USB's."""
        for hook, name in self.rule.hooks(self):
            self.register_hook(hook, name)
        if any(EXTENSIONS[name].taps_head for name in self.extensions):
            self.head_tap = HeadTap(find_head(self.model, self.num_classes))
        for name in self.extensions:
            hook = EXTENSIONS[name].hook(self)
            self.register_hook(hook, type(hook).__name__, "LOW")
        super().set_hooks()

    def train_step(
        self,
        x_lb: Inputs,
        y_lb: torch.Tensor,
        x_ulb_w: Inputs,
        x_ulb_s: Inputs | None = None,
        idx_ulb: torch.Tensor | None = None,
    ) -> StepResult:
        """Losses of one batch, as USB's loop expects them.

        Args:
            x_lb: (B, 3, H, W) labelled images (or a dict of text tensors); with several processes
                all that is given is this one's share of the batch.
            y_lb: (B,) class indices.
            x_ulb_w: (U, 3, H, W) weak views.
            x_ulb_s: (U, 3, H, W) strong views; None for a base of one view.
            idx_ulb: (U,) positions in the unlabelled set.

        Returns:
            `{"loss", "feat"}` and the log, tensors of shape (): no step waits for the device.
        """
        y_lb, idx_ulb = self._of_all(y_lb, idx_ulb)
        self.rule.batch(self, x_ulb_w)
        for name in self.extensions:
            EXTENSIONS[name].batch(self, x_lb, y_lb, x_ulb_w, x_ulb_s)
        with self.amp_cm():
            choice = self.savings.of_step(self, x_lb, x_ulb_w)
            own = self._forward(choice, x_lb, x_ulb_w, x_ulb_s)
            views = of_all_processes(own, *self._batch_sizes())
            weak = self._weak(views, idx_ulb)
            weights = self._weights(weak)
            targets = self.rule.targets(self, weak)
            views, rows = self._with_strong(choice, views, x_ulb_s, weights)
            losses = self._losses(views, y_lb, weights, targets)
            unsup = self.rule.unsup_weight(self) * losses["unsup_loss"]
            total = unsup + sum(v for k, v in losses.items() if k != "unsup_loss")
        terms = {**losses, "unsup_loss": unsup}
        self.call_hook("after_losses", weak=weak, weights=weights, terms=terms)  # likewise
        return self._results(views, y_lb, weights, losses, total, rows)

    def _batch_sizes(self) -> tuple[int, int]:
        """Labelled and unlabelled examples of a step, of all processes together."""
        return self.args.batch_size, self.args.batch_size * self.args.uratio

    def _of_all(
        self, y_lb: torch.Tensor, idx_ulb: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Classes and positions of the whole batch."""
        if world().size == 1:
            return y_lb, idx_ulb
        labelled, unlabelled = self._batch_sizes()
        positions = None if idx_ulb is None else gathered_rows(idx_ulb, unlabelled)
        return gathered_rows(y_lb, labelled), positions

    def _forward(self, choice: Choice, x_lb: Inputs, x_w: Inputs, x_s: Inputs | None) -> Views:
        """What the network says of this process's rows; of strong views that wait, nothing yet."""
        model, tap = self.model, self.head_tap
        if self.rule.one_view:
            return forward_one_view(model, x_lb, x_w, tap, self.bn_controller)
        teacher = self.rule.teacher(self)
        if choice.selected:
            graph = choice.weak_graph and self.use_cat and teacher is None
            return forward_before_strong(
                model, teacher, x_lb, x_w, tap, choice.noise, weak_graph=graph
            )
        if teacher is not None:
            return forward_taught(model, teacher, x_lb, x_w, x_s, tap, self.use_cat)  # type: ignore[arg-type]
        if not choice.weak_graph:
            return forward_weak_apart(model, x_lb, x_w, x_s, tap, choice.noise)  # type: ignore[arg-type]
        run = forward_together if self.use_cat else forward_apart
        return run(model, x_lb, x_w, x_s, tap)  # type: ignore[arg-type]

    def _with_strong(
        self, choice: Choice, views: Views, x_s: Inputs | None, weights: torch.Tensor
    ) -> tuple[Views, int]:
        """The views with what the strong ones were waiting for, and how many rows ran with a graph."""
        unlabelled = len(weights)
        rows = len(views.logits_lb) + unlabelled * views.logits_w.requires_grad
        if not choice.selected or x_s is None:
            return views, rows + unlabelled * (not self.rule.one_view)
        exact = weights.device.type == "cpu" and getattr(self.args, "compile", "off") == "off"
        found = rows_with_weight(weights, world().sizes(unlabelled), exact=exact)
        own = found[world().rank]
        views = with_strong(self.model, views, x_s, own, self.head_tap, choice.noise)
        return strong_of_all_processes(views, unlabelled), rows + sum(map(len, found))

    def _weak(self, views: Views, idx_ulb: torch.Tensor | None) -> Weak:
        weak = self.rule.weak(self, views, idx_ulb)
        for name in self.extensions:
            weak = EXTENSIONS[name].weak(self, weak)
        self.call_hook("after_weak", weak=weak)  # for hooks that watch; most have no such method
        return weak

    def _weights(self, weak: Weak) -> torch.Tensor:
        weights = self.rule.weights(self, weak)
        for name in self.extensions:
            weights = EXTENSIONS[name].weights(self, weak, weights)
        return weights

    def _losses(
        self, views: Views, y_lb: torch.Tensor, weights: torch.Tensor, targets: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The terms of the objective (LayerMatch, Eq. 9), weighted but for `unsup_loss`."""
        unsup = self.rule.unsupervised_loss(self, views, targets, weights)
        if self.ulb_loss_mean == "selected":
            unsup = unsup * selected_share(weights)
        losses = {
            "sup_loss": self.rule.supervised_loss(self, views.logits_lb, y_lb),
            "unsup_loss": unsup,
        }
        regulariser = self.rule.regulariser(self, views, weights)
        if regulariser is not None:
            losses["ent_loss"] = regulariser
        for name in self.extensions:
            losses.update(EXTENSIONS[name].losses(self, views, targets, weights))
        return losses

    def _results(
        self,
        views: Views,
        y_lb: torch.Tensor,
        weights: torch.Tensor,
        losses: dict[str, torch.Tensor],
        total: torch.Tensor,
        rows: int,
    ) -> StepResult:
        """Keys as USB logs them; `unsup_loss` is logged without its weight, as there.

        `labelled_acc` is ours: accuracy on the labelled part of the batch (Smooth Pseudo-Labeling, Sec. B.2).
        So is `rows/step`: how many rows of the batch went through the network with a graph.
        """
        logs = {name: loss.detach() for name, loss in losses.items()}
        logs["total_loss"] = total.detach()
        logs["util_ratio"] = weights.detach().float().mean()
        logs["labelled_acc"] = (views.logits_lb.argmax(dim=-1) == y_lb).float().mean()
        log = {**self.process_log_dict(**logs), ROWS: float(rows)}
        return self.process_out_dict(loss=total, feat=views.feats), log
