"""What an extension of the step is: the seams, each with a default that changes nothing.

How an unsupervised loss is averaged: over the batch as USB does, or over what was selected.

LayerMatch's Eqs. 2 and 8 divide by the number of selected samples; USB's consistency loss divides by
the whole batch, and the paper's numbers were made with USB.
ours: the setting `ulb_loss_mean` chooses, and `batch` is the default.
"""

from typing import ClassVar

import torch

from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Inputs, Views
from usb_ext.upstream.usb import Hook


class Extension:
    """One addition to the step; the parts that a kind does not need stay as they are here.

    Attributes:
        name: as in the setting `extensions`.
        taps_head: whether it needs what enters the classification layer (`Views.head_inputs_s`).
    """

    declared: ClassVar[tuple[str, ...]] = ("name",)
    """What a declaration says of an extension of ours; a user's own says it here."""

    name: str = ""
    taps_head: bool = False

    def hook(self, algorithm: RunningStep) -> Hook:
        """The hook that owns the extension's state."""
        raise NotImplementedError(self.name)

    def batch(
        self,
        algorithm: RunningStep,
        x_lb: Inputs,
        y_lb: torch.Tensor,
        x_w: Inputs,
        x_s: Inputs | None,
    ) -> None:
        """Look at the batch before the forward pass; here nothing is done.

        Args:
            algorithm: the running algorithm.
            x_lb: (B, ...) labelled inputs, or a dict of them.
            y_lb: (B,) classes.
            x_w: (U, ...) weak views.
            x_s: (U, ...) strong views; None for a base of one view.
        """

    def weak(self, algorithm: RunningStep, weak: Weak) -> Weak:
        """What the base is told of the weak views; here unchanged.

        Args:
            algorithm: the running algorithm.
            weak: (U, C) logits and probabilities with (U,) positions; make a changed copy with
                `dataclasses.replace`, so that masking and targets both see it.
        """
        return weak

    def weights(self, algorithm: RunningStep, weak: Weak, weights: torch.Tensor) -> torch.Tensor:
        """The (U,) weights of the unlabelled examples; here unchanged.

        Args:
            algorithm: the running algorithm.
            weak: what the base saw.
            weights: (U,) the base's own, after the extensions before this one.
        """
        return weights

    def through_weak(self, algorithm: RunningStep) -> bool:
        """Whether a loss of it may go back through the weak views' outputs, so that they need a graph.

        Yes for an extension that has losses and does not say otherwise.
        """
        return type(self).losses is not Extension.losses

    def all_strong(self, algorithm: RunningStep) -> bool:
        """Whether it needs what the network says of strong views whose weight is 0.

        Yes for an extension that has losses and does not say otherwise.
        """
        return type(self).losses is not Extension.losses

    def losses(
        self, algorithm: RunningStep, views: Views, targets: torch.Tensor, weights: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Weighted terms to add to the objective, each of shape (), by name.

        Args:
            algorithm: the running algorithm.
            views: outputs of the step.
            targets: (U,) or (U, C) pseudo-labels.
            weights: (U,) weight of each unlabelled example.
        """
        return {}


def selected_share(weights: torch.Tensor) -> torch.Tensor:
    """Factor that turns a mean over the batch into a mean over the selected (LayerMatch, Eq. 2).

    Args:
        weights: (B,) per-example weights >= 0; an example counts as selected if its weight is > 0.

    Returns:
        Scalar of shape (): B / number selected. With nothing selected it is B, and the weighted loss
        it multiplies is 0, so an empty selection gives 0.
    """
    selected = (weights > 0).sum().clamp(min=1)
    return weights.shape[0] / selected.to(weights.dtype)


def example_shares(weights: torch.Tensor, mean: str) -> torch.Tensor:
    """Per-example factors whose weighted sum is the chosen mean (LayerMatch, Eqs. 2 and 8).

    Args:
        weights: (B,) per-example weights >= 0.
        mean: `batch` (divide by B) or `selected` (divide by the number of weights > 0).

    Returns:
        (B,) weights divided by the number of examples that the mean runs over.

    Raises:
        ValueError: for another `mean`.
    """
    if mean not in ("batch", "selected"):
        raise ValueError(f"mean is {mean!r}; allowed: batch, selected")
    shares = weights / weights.shape[0]
    return shares * selected_share(weights) if mean == "selected" else shares
