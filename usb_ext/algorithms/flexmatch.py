"""FlexMatch as a base: curriculum pseudo-labelling (Zhang et al., 2021)."""

from typing import Any

import torch

from usb_ext.methods.bases.flexmatch import FlexMatchThreshold
from usb_ext.methods.step.base import BaseRule, Weak
from usb_ext.upstream.usb import (
    Hook,
    PseudoLabelingHook,
    SSL_Argument,
    str2bool,
)


class FlexMatchRule(BaseRule):
    """A threshold per class that follows how many examples were ever selected (Zhang et al., 2021)."""

    name = "flexmatch"

    def arguments(self) -> list[Any]:
        """FixMatch's and `thresh_warmup`."""
        return [*super().arguments(), SSL_Argument("--thresh_warmup", str2bool, True)]

    def hooks(self, algorithm: Any) -> list[tuple[Hook, str]]:
        """The hook with a record of the last confident class of every unlabelled example."""
        args = algorithm.args
        masking = FlexMatchThreshold(args.ulb_dest_len, algorithm.num_classes, args.thresh_warmup)
        return [(PseudoLabelingHook(), "PseudoLabelingHook"), (masking, "MaskingHook")]

    def weights(self, algorithm: Any, weak: Weak) -> torch.Tensor:
        """Weight of each unlabelled example, shape (U,); needs the examples' positions."""
        weights: torch.Tensor = algorithm.call_hook(
            "masking",
            "MaskingHook",
            logits_x_ulb=weak.probs,
            softmax_x_ulb=False,
            idx_ulb=weak.indices,
        )
        return weights

    def threshold(self, algorithm: Any, weak: Weak) -> torch.Tensor:
        """Each example's, as its class stood before the batch was remembered; shape (U,)."""
        thresholds: torch.Tensor = algorithm.hooks_dict["MaskingHook"].thresholds
        return thresholds
