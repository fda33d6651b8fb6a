"""FreeMatch as a base: self-adaptive threshold and fairness (Wang et al., 2023, Eq. 5-11)."""

from typing import Any

import torch

from usb_ext.algorithms.logits_rule import LogitsRule
from usb_ext.functional.self_adaptive_fairness import fairness_loss
from usb_ext.hooks.freematch_threshold import FreeMatchThreshold
from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.views import Views
from usb_ext.upstream.usb import (
    Hook,
    PseudoLabelingHook,
    SSL_Argument,
    str2bool,
)


class FreeMatchRule(LogitsRule):
    """A self-adaptive threshold, and a fairness term on the strong views (Wang et al., 2023)."""

    name = "freematch"

    def arguments(self) -> list[Any]:
        """No fixed cutoff; momentum of the running statistics and weight of the fairness term."""
        return [
            SSL_Argument("--hard_label", str2bool, True),
            SSL_Argument("--T", float, 0.5),
            SSL_Argument("--ema_p", float, 0.999),
            SSL_Argument("--ent_loss_ratio", float, 0.01),
            SSL_Argument("--use_quantile", str2bool, False),
            SSL_Argument("--clip_thresh", str2bool, False),
        ]

    def prepare(self, algorithm: Any, args: Any) -> None:
        """Set what USB's hook reads from the algorithm."""
        algorithm.T = args.T
        algorithm.use_hard_label = args.hard_label
        algorithm.use_quantile = args.use_quantile
        algorithm.clip_thresh = args.clip_thresh
        algorithm.lambda_e = args.ent_loss_ratio

    def hooks(self, algorithm: Any) -> list[tuple[Hook, str]]:
        """The hook with the running threshold, class probabilities and histogram."""
        masking = FreeMatchThreshold(algorithm.num_classes, momentum=algorithm.args.ema_p)
        return [(PseudoLabelingHook(), "PseudoLabelingHook"), (masking, "MaskingHook")]

    def threshold(self, algorithm: Any, weak: Weak) -> torch.Tensor:
        """The running global threshold, scaled for each example's class (Eq. 8); shape (U,)."""
        hook = algorithm.hooks_dict["MaskingHook"]
        scale = hook.p_model / hook.p_model.max()
        thresholds: torch.Tensor = hook.time_p * scale[weak.logits.argmax(dim=-1)]
        return thresholds

    def regulariser(
        self, algorithm: Any, views: Views, weights: torch.Tensor
    ) -> torch.Tensor | None:
        """The fairness term, shape (), or None where its weight is 0 (LayerMatch has none)."""
        if algorithm.lambda_e == 0:
            return None
        loss = fairness_loss(weights, views.logits_s, algorithm.p_model, algorithm.label_hist)
        weighted: torch.Tensor = algorithm.lambda_e * loss
        return weighted
