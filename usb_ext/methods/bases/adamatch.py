"""AdaMatch as a base: a threshold relative to labelled confidence (Berthelot et al., 2022)."""

import torch

from usb_ext.methods.step.base import BaseRule, Weak
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Views
from usb_ext.upstream.usb import (
    AdaMatchThresholdingHook,
    DistAlignEMAHook,
    Hook,
    PseudoLabelingHook,
)


class AdaMatchRule(BaseRule):
    """A threshold relative to the confidence on labelled data, after alignment (Berthelot et al., 2022)."""

    def hooks(self, algorithm: RunningStep) -> list[tuple[Hook, str]]:
        """Alignment to the class distribution that the model predicts on labelled data."""
        align = DistAlignEMAHook(
            algorithm.num_classes, momentum=algorithm.args.ema_p, p_target_type="model"
        )
        return [
            (PseudoLabelingHook(), "PseudoLabelingHook"),
            (align, "DistAlignHook"),
            (AdaMatchThresholdingHook(), "MaskingHook"),
        ]

    def weak(self, algorithm: RunningStep, views: Views, indices: torch.Tensor | None) -> Weak:
        """Aligned probabilities, shape (U, C), and those of the labelled examples, (B, C)."""
        probs_lb = algorithm.compute_prob(views.logits_lb.detach())
        probs = algorithm.compute_prob(views.logits_w.detach())
        probs = algorithm.call_hook(
            "dist_align", "DistAlignHook", probs_x_ulb=probs, probs_x_lb=probs_lb
        )
        return Weak(views.logits_w.detach(), probs, probs_lb, indices)

    def all_strong(self, algorithm: RunningStep) -> bool:
        """No: alignment reads labelled and weak views."""
        return False

    def weights(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Weight of each unlabelled example, shape (U,)."""
        weights: torch.Tensor = algorithm.call_hook(
            "masking",
            "MaskingHook",
            logits_x_lb=weak.probs_lb,
            logits_x_ulb=weak.probs,
            softmax_x_lb=False,
            softmax_x_ulb=False,
        )
        return weights

    def threshold(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """p_cutoff times the mean confidence on the labelled examples, shape (U,)."""
        confidence = weak.probs_lb.amax(dim=-1)  # type: ignore[union-attr]
        relative: torch.Tensor = confidence.mean() * algorithm.p_cutoff
        return relative.expand(len(weak.probs))
