"""Bases whose hooks take the weak logits and make probabilities themselves: Dash, FreeMatch, Pseudo-Label."""

from typing import Any

import torch

from usb_ext.methods.step.base import BaseRule, Weak


class LogitsRule(BaseRule):
    """A base whose hooks take the weak logits and make probabilities themselves."""

    def weights(self, algorithm: Any, weak: Weak) -> torch.Tensor:
        """Weight of each unlabelled example, shape (U,), from the weak logits."""
        weights: torch.Tensor = algorithm.call_hook(
            "masking", "MaskingHook", logits_x_ulb=weak.logits
        )
        return weights

    def confidence(self, algorithm: Any, weak: Weak) -> torch.Tensor:
        """The largest probability that the hook sees, shape (U,)."""
        return torch.softmax(weak.logits, dim=-1).amax(dim=-1)

    def targets(self, algorithm: Any, weak: Weak) -> torch.Tensor:
        """Pseudo-labels from the weak logits; asked for after the weights, which may set their kind."""
        return self._targets(algorithm, weak.logits, algorithm.use_hard_label)
