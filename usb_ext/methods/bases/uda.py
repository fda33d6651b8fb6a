"""UDA as a base: soft labels and training-signal annealing (Xie et al., 2020)."""

import math

import torch

from usb_ext.methods.step.base import BaseRule
from usb_ext.methods.step.running import RunningStep
from usb_ext.upstream.running import Arguments


class UDARule(BaseRule):
    """Soft labels and training-signal annealing of the supervised loss (Xie et al., 2020)."""

    def prepare(self, algorithm: RunningStep, args: Arguments) -> None:
        """Soft labels, as USB's UDA makes them."""
        algorithm.T = args.T
        algorithm.p_cutoff = args.p_cutoff
        algorithm.use_hard_label = False
        algorithm.tsa_schedule = args.tsa_schedule

    def supervised_loss(
        self, algorithm: RunningStep, logits: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy of the labelled examples that are not yet learned; divided by all of them."""
        level = annealing_level(
            algorithm.tsa_schedule, algorithm.it / algorithm.num_train_iter, algorithm.num_classes
        )
        confidence = algorithm.compute_prob(logits.detach()).max(dim=-1)[0]
        losses = algorithm.ce_loss(logits, y, reduction="none")
        return (losses * (confidence <= level).to(losses.dtype)).mean()


def annealing_level(schedule: str, progress: float, num_classes: int) -> float:
    """Confidence above which a labelled example stops counting (UDA, training signal annealing).

    Args:
        schedule: `none`, `linear`, `log` or `exp`.
        progress: share of the training done, in [0, 1].
        num_classes: C; the level rises from 1/C to 1.

    Returns:
        The level in [1/C, 1]; 1 for `none`.
    """
    if schedule == "none":
        return 1.0
    rise = {
        "linear": progress,
        "exp": math.exp((progress - 1) * 5),
        "log": 1 - math.exp(-progress * 5),
    }[schedule]
    return rise * (1 - 1 / num_classes) + 1 / num_classes
