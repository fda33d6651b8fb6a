"""Dash: a loss threshold that falls over time, started by a supervised warm-up (Xu et al., 2021)."""

import math

import torch

from usb_ext.methods.step.base import LogitsRule, Weak
from usb_ext.methods.step.running import RunningStep
from usb_ext.upstream.running import Arguments
from usb_ext.upstream.usb import DashThresholdingHook, Hook, PseudoLabelingHook


class DashRule(LogitsRule):
    """Selects the examples whose loss on their own pseudo-label is below a falling threshold."""

    def prepare(self, algorithm: RunningStep, args: Arguments) -> None:
        """Soft labels until the threshold has fallen to its minimum; the hook switches."""
        algorithm.T = args.T
        algorithm.use_hard_label = False
        algorithm.num_wu_iter = args.num_wu_iter
        algorithm.num_wu_eval_iter = args.num_wu_eval_iter
        algorithm.warmup_stage = True

    def hooks(self, algorithm: RunningStep) -> list[tuple[Hook, str]]:
        """The hook with the threshold."""
        args = algorithm.args
        masking = DashThresholdingHook(rho_min=args.rho_min, gamma=args.gamma, C=args.C)
        return [(PseudoLabelingHook(), "PseudoLabelingHook"), (masking, "MaskingHook")]

    def confidence(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """exp(-loss on the own pseudo-label), shape (U,).

        ours: for hard labels it is the largest probability; for soft ones the geometric mean of the
        probabilities, weighted by the label.
        """
        losses = algorithm.ce_loss(weak.logits, self.targets(algorithm, weak), reduction="none")
        return torch.exp(-losses)

    def threshold(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """exp(-rho) for the largest loss rho that is still selected, shape (U,)."""
        rho = algorithm.hooks_dict["MaskingHook"].rho
        return weak.logits.new_full((len(weak.logits),), math.exp(-float(rho)))
