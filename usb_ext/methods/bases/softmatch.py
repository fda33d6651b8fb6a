"""SoftMatch as a base: a truncated Gaussian weight (Chen et al., 2023)."""

from typing import Any

import torch

from usb_ext.hooks.softmatch_weight import SoftMatchWeight
from usb_ext.methods.step.base import BaseRule, Weak
from usb_ext.methods.step.views import Views
from usb_ext.upstream.usb import (
    DistAlignEMAHook,
    Hook,
    PseudoLabelingHook,
    SSL_Argument,
    str2bool,
)


class SoftMatchRule(BaseRule):
    """A truncated Gaussian weight of the confidence, after uniform alignment (Chen et al., 2023)."""

    name = "softmatch"
    has_threshold = False

    def arguments(self) -> list[Any]:
        """No cutoff; alignment and the width of the Gaussian."""
        return [
            SSL_Argument("--hard_label", str2bool, True),
            SSL_Argument("--T", float, 0.5),
            SSL_Argument("--dist_align", str2bool, True),
            SSL_Argument("--dist_uniform", str2bool, True),
            SSL_Argument("--ema_p", float, 0.999),
            SSL_Argument("--n_sigma", int, 2),
            SSL_Argument("--per_class", str2bool, False),
        ]

    def prepare(self, algorithm: Any, args: Any) -> None:
        """Set temperature and kind of label."""
        algorithm.T = args.T
        algorithm.use_hard_label = args.hard_label

    def hooks(self, algorithm: Any) -> list[tuple[Hook, str]]:
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

    def weak(self, algorithm: Any, views: Views, indices: torch.Tensor | None) -> Weak:
        """Aligned probabilities, shape (U, C); the labels stay those of the logits."""
        probs_lb = torch.softmax(views.logits_lb.detach(), dim=-1)
        probs = torch.softmax(views.logits_w.detach(), dim=-1)
        probs = algorithm.call_hook(
            "dist_align", "DistAlignHook", probs_x_ulb=probs, probs_x_lb=probs_lb
        )
        return Weak(views.logits_w.detach(), probs, probs_lb, indices)

    def targets(self, algorithm: Any, weak: Weak) -> torch.Tensor:
        """Pseudo-labels from the logits, before alignment."""
        return self._targets(algorithm, weak.logits, algorithm.use_hard_label)
