"""SoftMatch as a base: a truncated Gaussian weight (Chen et al., 2023).

SoftMatch's truncated Gaussian weight without a host synchronisation (Chen et al., 2023).
"""

from types import SimpleNamespace

import torch

from usb_ext.engine.processes import gathered
from usb_ext.methods.step.base import BaseRule, Weak
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Views
from usb_ext.upstream.running import Arguments, Running
from usb_ext.upstream.usb import (
    DistAlignEMAHook,
    Hook,
    PseudoLabelingHook,
    SoftMatchWeightingHook,
)

ALONE = SimpleNamespace(distributed=False)
"""Stands for the algorithm where rows are gathered already: USB's hook calls a method it lacks there."""


class SoftMatchWeight(SoftMatchWeightingHook):
    """USB's hook with its statistics left on the device, and `per_class` that can be built.

    Owns `prob_max_mu_t` and `prob_max_var_t`: running mean and variance of the confidence, scalars or
    (C,) with `per_class` (USB's class raises there: it reads `self.args`, which a hook does not have).
    They follow the rows of all processes.
    """

    def __init__(self, num_classes: int, n_sigma: int, momentum: float, per_class: bool) -> None:
        super().__init__(num_classes, n_sigma=n_sigma, momentum=momentum, per_class=False)
        self.per_class = per_class
        if per_class:
            self.prob_max_mu_t = torch.full((num_classes,), 1.0 / num_classes)
            self.prob_max_var_t = torch.ones(num_classes)

    @torch.no_grad()
    def update(
        self, algorithm: Running, probs_x_ulb: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Move the running mean and variance by one batch.

        Args:
            algorithm: the running algorithm.
            probs_x_ulb: (U, C) aligned probabilities of the weak views.

        Returns:
            Confidence and class of each example of all processes, both of shape (P U,), as USB's
            hook does.
        """
        probs_x_ulb = gathered(algorithm, probs_x_ulb)
        if self.per_class:
            return super().update(ALONE, probs_x_ulb)
        confidence, classes = probs_x_ulb.max(dim=-1)
        m, dtype = self.m, self.prob_max_mu_t.dtype
        mean, variance = confidence.mean().to(dtype), confidence.var(unbiased=True).to(dtype)
        self.prob_max_mu_t = m * self.prob_max_mu_t + (1 - m) * mean
        self.prob_max_var_t = m * self.prob_max_var_t + (1 - m) * variance
        return confidence, classes


class SoftMatchRule(BaseRule):
    """A truncated Gaussian weight of the confidence, after uniform alignment (Chen et al., 2023)."""

    def prepare(self, algorithm: RunningStep, args: Arguments) -> None:
        """Set temperature and kind of label."""
        algorithm.T = args.T
        algorithm.use_hard_label = args.hard_label

    def hooks(self, algorithm: RunningStep) -> list[tuple[Hook, str]]:
        """Alignment to a uniform (or the model's) class distribution, and the Gaussian weight."""
        args, classes = algorithm.args, algorithm.num_classes
        kind = "uniform" if args.dist_uniform else "model"
        align = DistAlignEMAHook(classes, momentum=args.ema_p, p_target_type=kind)
        masking = SoftMatchWeight(
            classes, n_sigma=args.n_sigma, momentum=args.ema_p, per_class=args.per_class
        )
        return [
            (PseudoLabelingHook(), "PseudoLabelingHook"),
            (align, "DistAlignHook"),
            (masking, "MaskingHook"),
        ]

    def weak(self, algorithm: RunningStep, views: Views, indices: torch.Tensor | None) -> Weak:
        """Aligned probabilities, shape (U, C); the labels stay those of the logits."""
        probs_lb = torch.softmax(views.logits_lb.detach(), dim=-1)
        probs = torch.softmax(views.logits_w.detach(), dim=-1)
        probs = algorithm.call_hook(
            "dist_align", "DistAlignHook", probs_x_ulb=probs, probs_x_lb=probs_lb
        )
        return Weak(views.logits_w.detach(), probs, probs_lb, indices)

    def all_strong(self, algorithm: RunningStep) -> bool:
        """No: alignment reads labelled and weak views."""
        return False

    def targets(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Pseudo-labels from the logits, before alignment."""
        return self._targets(algorithm, weak.logits, algorithm.use_hard_label)
