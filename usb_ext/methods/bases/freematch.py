"""FreeMatch as a base: self-adaptive threshold and fairness (Wang et al., 2023, Eq. 5-11).

FreeMatch's self-adaptive threshold without a host synchronisation (Wang et al., 2023, Eq. 5-8).

Self-adaptive fairness: FreeMatch's entropy term, without a host synchronisation.

FreeMatch (Wang et al., ICLR 2023), Eqs. 9-11: the mean prediction on the selected strong views, divided
by the histogram of their predicted classes and normalised, is pushed away from the running mean
prediction on weak views, divided by its running histogram and normalised. USB computes it on the
selected rows only, behind an `if` that waits for the device; here every row takes part with weight 0 or
1, which is the same sum.
"""

import torch
import torch.nn.functional as F

from usb_ext.engine.processes import gathered
from usb_ext.methods.step.base import LogitsRule, Weak
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Views
from usb_ext.upstream.running import Arguments
from usb_ext.upstream.usb import (
    FreeMatchThresholdingHook,
    Hook,
    PseudoLabelingHook,
)


class FreeMatchThreshold(FreeMatchThresholdingHook):
    """USB's hook with the histogram counted on the device: `torch.bincount` waits for its result.

    Owns `time_p` (scalar), `p_model` (C,) and `label_hist` (C,), the running global threshold, mean
    prediction and histogram of predictions. They follow the rows of all processes, as in USB.
    """

    time_p: torch.Tensor
    p_model: torch.Tensor
    label_hist: torch.Tensor

    @torch.no_grad()
    def update(self, algorithm: RunningStep, probs_x_ulb: torch.Tensor) -> None:
        """Move the running statistics by one batch.

        Args:
            algorithm: gives `use_quantile` and `clip_thresh`; gets the statistics as attributes.
            probs_x_ulb: (U, C) probabilities of the weak views.
        """
        m, probs_x_ulb = self.m, gathered(algorithm, probs_x_ulb)
        confidence, classes = probs_x_ulb.max(dim=-1)
        level = torch.quantile(confidence, 0.8) if algorithm.use_quantile else confidence.mean()
        self.time_p = self.time_p * m + (1 - m) * level
        if algorithm.clip_thresh:
            self.time_p = torch.clip(self.time_p, 0.0, 0.95)
        self.p_model = self.p_model * m + (1 - m) * probs_x_ulb.mean(dim=0)
        share = F.one_hot(classes, self.num_classes).to(self.p_model.dtype).mean(dim=0)
        self.label_hist = self.label_hist * m + (1 - m) * share
        algorithm.p_model, algorithm.label_hist = self.p_model, self.label_hist
        algorithm.time_p = self.time_p


def fairness_loss(
    selected: torch.Tensor,
    logits_strong: torch.Tensor,
    running_probability: torch.Tensor,
    running_histogram: torch.Tensor,
) -> torch.Tensor:
    """FreeMatch's fairness term, Eq. 11; 0 when nothing is selected.

    Args:
        selected: (B,) 1 for a selected example, 0 for the others (any dtype; > 0 counts as 1).
        logits_strong: (B, C) logits of the strong views; gradients flow to them.
        running_probability: (C,) running mean of weak-view probabilities.
        running_histogram: (C,) running histogram of weak-view predictions, sums to 1.

    Returns:
        Scalar of shape (); added to the total loss with a positive factor.
    """
    probabilities = logits_strong.softmax(dim=-1)
    chosen = (selected > 0).to(probabilities.dtype)
    count = chosen.sum()
    safe_count = count.clamp(min=1.0)
    histogram = torch.zeros_like(running_probability, dtype=probabilities.dtype)
    histogram = histogram.index_add(0, probabilities.argmax(dim=-1), chosen) / safe_count
    mean_probability = (probabilities * chosen.unsqueeze(-1)).sum(dim=0) / safe_count
    target = _normalised(running_probability * _inverse(running_histogram)).detach()
    balanced = _normalised(mean_probability * _inverse(histogram))
    loss = (target * torch.log(balanced + 1e-12)).sum()
    return torch.where(count > 0, loss, torch.zeros_like(loss))


def _inverse(values: torch.Tensor) -> torch.Tensor:
    """1 / values, shape (C,), with 0 where a value is 0."""
    positive = values > 0
    return torch.where(positive, 1.0 / torch.where(positive, values, 1.0), 0.0).detach()


def _normalised(values: torch.Tensor) -> torch.Tensor:
    """Values of shape (C,) divided by their sum; all 0 where the sum is 0."""
    total = values.sum()
    return values / torch.where(total > 0, total, 1.0)


class FreeMatchRule(LogitsRule):
    """A self-adaptive threshold, and a fairness term on the strong views (Wang et al., 2023)."""

    def prepare(self, algorithm: RunningStep, args: Arguments) -> None:
        """Set what USB's hook reads from the algorithm."""
        algorithm.T = args.T
        algorithm.use_hard_label = args.hard_label
        algorithm.use_quantile = args.use_quantile
        algorithm.clip_thresh = args.clip_thresh
        algorithm.lambda_e = args.ent_loss_ratio

    def hooks(self, algorithm: RunningStep) -> list[tuple[Hook, str]]:
        """The hook with the running threshold, class probabilities and histogram."""
        masking = FreeMatchThreshold(algorithm.num_classes, momentum=algorithm.args.ema_p)
        return [(PseudoLabelingHook(), "PseudoLabelingHook"), (masking, "MaskingHook")]

    def threshold(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """The running global threshold, scaled for each example's class (Eq. 8); shape (U,)."""
        hook = algorithm.hooks_dict["MaskingHook"]
        scale = hook.p_model / hook.p_model.max()
        thresholds: torch.Tensor = hook.time_p * scale[weak.logits.argmax(dim=-1)]
        return thresholds

    def through_weak(self, algorithm: RunningStep) -> bool:
        """No: the fairness term is one of the strong views."""
        return False

    def all_strong(self, algorithm: RunningStep) -> bool:
        """No: the fairness term is a mean over the selected ones."""
        return False

    def regulariser(
        self, algorithm: RunningStep, views: Views, weights: torch.Tensor
    ) -> torch.Tensor | None:
        """The fairness term, shape (), or None where its weight is 0 (LayerMatch has none)."""
        if algorithm.lambda_e == 0:
            return None
        loss = fairness_loss(weights, views.logits_s, algorithm.p_model, algorithm.label_hist)
        weighted: torch.Tensor = algorithm.lambda_e * loss
        return weighted
