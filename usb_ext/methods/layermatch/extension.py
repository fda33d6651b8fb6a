"""LayerMatch's two parts as extensions that go on any base (Liang et al., Secs. 4.2.1 and 4.2.2)."""

import torch

from usb_ext.methods.layermatch.avg_clustering import AvgClusteringHook
from usb_ext.methods.layermatch.grad_relu import GradReLUHook
from usb_ext.methods.step.extension import Extension
from usb_ext.methods.step.head_tap import HeadTap
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Views
from usb_ext.upstream.usb import Hook


class GradReLU(Extension):
    """No pseudo-label gradient in the head (LayerMatch, Sec. 4.2.1)."""

    taps_head = True

    def hook(self, algorithm: RunningStep) -> Hook:
        """The hook on the algorithm's tap."""
        return GradReLUHook(_tap(algorithm))


class AvgClustering(Extension):
    """A second loss through a slowly averaged head (LayerMatch, Eqs. 8 and 9)."""

    taps_head = True

    def hook(self, algorithm: RunningStep) -> Hook:
        """The hook with the averaged head."""
        args = algorithm.args
        return AvgClusteringHook(
            _tap(algorithm),
            reset_iter=args.ac_reset_iter,
            momentum=args.ac_momentum,
            lr=args.ac_lr,
            mean=algorithm.ulb_loss_mean,
        )

    def through_weak(self, algorithm: RunningStep) -> bool:
        """No: the loss is one of the strong views."""
        return False

    def all_strong(self, algorithm: RunningStep) -> bool:
        """No: each one's share of the loss and of the averaged head's gradient is its weight."""
        return False

    def losses(
        self, algorithm: RunningStep, views: Views, targets: torch.Tensor, weights: torch.Tensor
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


def _tap(algorithm: RunningStep) -> HeadTap:
    """The tap that the step sets up for extensions with `taps_head`."""
    if algorithm.head_tap is None:
        raise ValueError(
            "no head_tap; the step sets it up before it asks for a hook that taps_head"
        )
    return algorithm.head_tap
