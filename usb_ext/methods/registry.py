"""Extensions: what may be put on any base, any subset of them.

An extension names its arguments, its hook, and the losses it adds. It is switched on by an algorithm's
declaration or by `extensions: [...]`, and off by `NAME: False` (the papers' ablations).
"""

from typing import Any

import torch

from usb_ext.algorithms.smooth_weight import SmoothWeight
from usb_ext.data.prior_of_run import prior_of_run
from usb_ext.hooks.prior_label import PriorLabelHook
from usb_ext.methods.influence.extension import Influence
from usb_ext.methods.layermatch.avg_clustering import AvgClusteringHook
from usb_ext.methods.layermatch.grad_relu import GradReLUHook
from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.extension import Extension
from usb_ext.methods.step.views import Views
from usb_ext.upstream.usb import Hook, SSL_Argument

__all__ = ["EXTENSIONS", "Extension"]


class GradReLU(Extension):
    """No pseudo-label gradient in the head (LayerMatch, Sec. 4.2.1)."""

    name = "grad_relu"
    taps_head = True

    def hook(self, algorithm: Any) -> Hook:
        """The hook on the algorithm's tap."""
        return GradReLUHook(algorithm.head_tap)


class AvgClustering(Extension):
    """A second loss through a slowly averaged head (LayerMatch, Eqs. 8 and 9)."""

    name = "avg_clustering"
    taps_head = True

    def arguments(self) -> list[Any]:
        """w_ac, N, m and alpha, with the paper's values (Sec. 5.1)."""
        return [
            SSL_Argument("--ac_loss_ratio", float, 1.0),
            SSL_Argument("--ac_reset_iter", int, 2048),
            SSL_Argument("--ac_momentum", float, 0.999),
            SSL_Argument("--ac_lr", float, 5e-4),
        ]

    def hook(self, algorithm: Any) -> Hook:
        """The hook with the averaged head."""
        args = algorithm.args
        return AvgClusteringHook(
            algorithm.head_tap,
            reset_iter=args.ac_reset_iter,
            momentum=args.ac_momentum,
            lr=args.ac_lr,
            mean=algorithm.ulb_loss_mean,
        )

    def losses(
        self, algorithm: Any, views: Views, targets: torch.Tensor, weights: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """w_ac L_AC.

        Args:
            algorithm: the running algorithm.
            views: outputs; `head_inputs_s` is (U, d).
            targets: (U,) or (U, C).
            weights: (U,).
        """
        loss = algorithm.call_hook(
            "loss",
            "AvgClusteringHook",
            features=views.head_inputs_s,
            targets=targets,
            weights=weights,
        )
        return {"ac_loss": algorithm.args.ac_loss_ratio * loss}


class PriorLabel(Extension):
    """Prior pseudo-labels join the weak predictions in the first steps (AS3L, Eq. 5).

    Masking and targets both see y_post. ours: so do the running statistics that a base keeps of what
    its masking sees (FlexMatch's counts, FreeMatch's threshold, SoftMatch's mean and variance), while
    those of distribution alignment see the model's own predictions, which come before.
    """

    name = "prior_label"

    def arguments(self) -> list[Any]:
        """The file with y_prior, and T."""
        return [SSL_Argument("--prior_file", str, None), SSL_Argument("--prior_until", int, 6720)]

    def hook(self, algorithm: Any) -> Hook:
        """The hook with y_prior of the run's unlabelled examples."""
        return PriorLabelHook(prior_of_run(algorithm.args), algorithm.args.prior_until)

    def weak(self, algorithm: Any, weak: Weak) -> Weak:
        """y_post in the place of y_weak: logits and probabilities of shape (U, C)."""
        joined: Weak = algorithm.call_hook("join", "PriorLabelHook", weak=weak)
        return joined


EXTENSIONS: dict[str, Extension] = {
    e.name: e for e in (GradReLU(), AvgClustering(), SmoothWeight(), Influence(), PriorLabel())
}
