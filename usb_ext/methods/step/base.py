"""A base: how a weak/strong method turns weak views into weights and targets.

FixMatch, FlexMatch, FreeMatch, SoftMatch, AdaMatch, UDA, Dash and Pseudo-Label share everything but
this. A base names USB's own hooks, which keep the state, and says what they are called with; each
stands in a file of its own in `bases/`.

Bases whose hooks take the weak logits and make probabilities themselves: Dash, FreeMatch, Pseudo-Label.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Inputs, Teacher, Views
from usb_ext.settings.algorithms import FIXMATCH
from usb_ext.upstream.running import Arguments
from usb_ext.upstream.usb import (
    FixedThresholdingHook,
    Hook,
    PseudoLabelingHook,
)


@dataclass(frozen=True)
class Weak:
    """What the weak views say, under stop-gradient.

    Attributes:
        logits: (U, C).
        probs: (U, C), after distribution alignment where the base has one.
        probs_lb: (B, C) probabilities of the labelled examples; None where the base ignores them.
        indices: (U,) positions in the unlabelled set; None when not given.
    """

    logits: torch.Tensor
    probs: torch.Tensor
    probs_lb: torch.Tensor | None
    indices: torch.Tensor | None


class BaseRule:
    """FixMatch's rule, which the other bases change in places (Sohn et al., 2020).

    A fixed threshold on the largest weak probability, hard labels by argmax.

    Attributes:
        name: as in the setting `algorithm`.
        options: its options with its defaults; each is a setting.
        has_threshold: whether it selects examples, rather than weighting all of them.
        one_view: whether the pseudo-label is learned on the view that made it.
    """

    declared: ClassVar[tuple[str, ...]] = ("name", "options", "has_threshold", "one_view")
    """What a declaration says of a rule of ours; a user's own rule says it here."""

    name: str = ""
    options: Mapping[str, object] = FIXMATCH
    has_threshold: bool = True
    one_view: bool = False

    def prepare(self, algorithm: RunningStep, args: Arguments) -> None:
        """Set what USB's hooks read from the algorithm."""
        algorithm.T = args.T
        algorithm.p_cutoff = args.p_cutoff
        algorithm.use_hard_label = args.hard_label

    def hooks(self, algorithm: RunningStep) -> list[tuple[Hook, str]]:
        """USB's hooks of the base with the names they are called by."""
        return [
            (PseudoLabelingHook(), "PseudoLabelingHook"),
            (FixedThresholdingHook(), "MaskingHook"),
        ]

    def teacher(self, algorithm: RunningStep) -> Teacher | None:
        """What labels the weak views in the network's place, or None: the network itself.

        Args:
            algorithm: the running algorithm.

        Returns:
            A callable from weak views (U, ...) to `{"logits": (U, C), "feat": (U, d)}`, or None.
        """
        return None

    def batch(self, algorithm: RunningStep, x_w: Inputs) -> None:
        """Look at the weak views before the forward pass; here nothing is done.

        Args:
            algorithm: the running algorithm.
            x_w: (U, ...) weak views, or a dict of tensors.
        """

    def through_weak(self, algorithm: RunningStep) -> bool:
        """Whether a loss of it may go back through the weak views' outputs, so that they need a graph.

        Yes for a rule that changes a loss and does not say otherwise.
        """
        return _changes(self, LOSSES)

    def all_strong(self, algorithm: RunningStep) -> bool:
        """Whether it needs what the network says of strong views whose weight is 0.

        Yes for a rule that changes what sees all views and does not say otherwise.
        """
        return _changes(self, (*LOSSES, "weak", "learned_targets"))

    def supervised_loss(
        self, algorithm: RunningStep, logits: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        """Mean cross-entropy of the labelled examples.

        Args:
            algorithm: the running algorithm.
            logits: (B, C).
            y: (B,) class indices.

        Returns:
            Scalar of shape ().
        """
        return algorithm.ce_loss(logits, y, reduction="mean")

    def unsup_weight(self, algorithm: RunningStep) -> float:
        """Weight of the unlabelled loss at the running step."""
        return float(algorithm.lambda_u)

    def weak(self, algorithm: RunningStep, views: Views, indices: torch.Tensor | None) -> Weak:
        """Probabilities of the weak views, shape (U, C); aligned if a hook is registered for it."""
        probs = algorithm.compute_prob(views.logits_w.detach())
        if algorithm.registered_hook("DistAlignHook"):
            probs = algorithm.call_hook("dist_align", "DistAlignHook", probs_x_ulb=probs)
        return Weak(views.logits_w.detach(), probs, None, indices)

    def weights(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Weight of each unlabelled example, shape (U,)."""
        weights: torch.Tensor = algorithm.call_hook(
            "masking", "MaskingHook", logits_x_ulb=weak.probs, softmax_x_ulb=False
        )
        return weights

    def confidence(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """What is held against the threshold, shape (U,): the largest weak probability."""
        return weak.probs.amax(dim=-1)

    def threshold(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """The threshold that this step's `weights` used, shape (U,); to be asked after them."""
        return torch.full_like(self.confidence(algorithm, weak), algorithm.p_cutoff)

    def targets(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Pseudo-labels: (U,) classes, or (U, C) probabilities when labels are soft."""
        return self._targets(algorithm, weak.probs, algorithm.use_hard_label, softmax=False)

    def unsupervised_loss(
        self, algorithm: RunningStep, views: Views, targets: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Mean over the batch of the weighted cross-entropies of the strong views.

        Args:
            algorithm: the running algorithm.
            views: outputs of the step; `logits_s` is (U, C).
            targets: (U,) or (U, C) pseudo-labels.
            weights: (U,) weight of each unlabelled example.

        Returns:
            Scalar of shape (), before `unsup_weight`.
        """
        return algorithm.consistency_loss(views.logits_s, targets, "ce", mask=weights)

    def learned_targets(
        self, algorithm: RunningStep, views: Views, targets: torch.Tensor
    ) -> torch.Tensor:
        """Targets whose cross-entropy has the gradient of `unsupervised_loss` in the strong logits.

        Args:
            algorithm: the running algorithm.
            views: outputs of the step; `logits_s` is (U, C).
            targets: (U,) or (U, C) pseudo-labels.

        Returns:
            (U,) or (U, C), constants; here the pseudo-labels themselves.
        """
        return targets

    def regulariser(
        self, algorithm: RunningStep, views: Views, weights: torch.Tensor
    ) -> torch.Tensor | None:
        """A further loss of shape (), already weighted, or None."""
        return None

    @staticmethod
    def _targets(
        algorithm: RunningStep, scores: torch.Tensor, hard: bool, softmax: bool = True
    ) -> torch.Tensor:
        targets: torch.Tensor = algorithm.call_hook(
            "gen_ulb_targets",
            "PseudoLabelingHook",
            logits=scores,
            use_hard_label=hard,
            T=algorithm.T,
            softmax=softmax,
        )
        return targets


LOSSES = ("unsupervised_loss", "regulariser")
"""Methods of a rule that are given all views."""


def _changes(rule: BaseRule, methods: tuple[str, ...]) -> bool:
    """Whether a rule has a method of its own in the place of FixMatch's."""
    return any(getattr(type(rule), name) is not getattr(BaseRule, name) for name in methods)


class LogitsRule(BaseRule):
    """A base whose hooks take the weak logits and make probabilities themselves."""

    def weights(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Weight of each unlabelled example, shape (U,), from the weak logits."""
        weights: torch.Tensor = algorithm.call_hook(
            "masking", "MaskingHook", logits_x_ulb=weak.logits
        )
        return weights

    def confidence(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """The largest probability that the hook sees, shape (U,)."""
        return torch.softmax(weak.logits, dim=-1).amax(dim=-1)

    def targets(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Pseudo-labels from the weak logits; asked for after the weights, which may set their kind."""
        return self._targets(algorithm, weak.logits, algorithm.use_hard_label)
