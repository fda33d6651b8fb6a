"""Extension `smooth_weight`: the hard mask becomes a factor without a jump (Smooth Pseudo-Labeling)."""

from typing import Any

import torch

from usb_ext.config.smooth import exponent_of
from usb_ext.core.errors import SettingsError
from usb_ext.functional.averaging import selected_share
from usb_ext.methods.smooth.extension import SmoothWeightHook
from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.extension import Extension
from usb_ext.methods.step.views import Views
from usb_ext.upstream.usb import Hook, SSL_Argument


class SmoothWeight(Extension):
    """Phi(s) = (relu(s - tau) / (1 - tau))^mu for the 0 or 1 of a threshold; not on softmatch (Eq. 13).

    On every base with a threshold; tau is, example by example, the one that the base used in the step.
    """

    name = "smooth_weight"

    def arguments(self) -> list[Any]:
        """mu (linear) and lambda_Phi (none), with the paper's values (Secs. 3.5 and A.3.7)."""
        return [
            SSL_Argument("--smooth_exponent", exponent_of, 1.0),
            SSL_Argument("--lambda_phi", float, 0.0),
        ]

    def hook(self, algorithm: Any) -> Hook:
        """The hook that gives the factor.

        Raises:
            SettingsError: on a base without a threshold.
        """
        if not algorithm.rule.has_threshold:
            raise SettingsError(
                f"smooth_weight needs a base with a threshold, which {algorithm.rule.name} has not"
            )
        args = algorithm.args
        return SmoothWeightHook(exponent_of(args.smooth_exponent), float(args.lambda_phi))

    def weights(self, algorithm: Any, weak: Weak, weights: torch.Tensor) -> torch.Tensor:
        """The base's weights times Phi, which is above 0 only where a mask is 1; shape (U,).

        Args:
            algorithm: the running algorithm.
            weak: (U, C) what the base saw.
            weights: (U,) the base's own.
        """
        factor: torch.Tensor = algorithm.call_hook(
            "masking",
            "SmoothWeightHook",
            confidence=algorithm.rule.confidence(algorithm, weak),
            threshold=algorithm.rule.threshold(algorithm, weak),
            classes=weak.probs.argmax(dim=-1),
        )
        return weights * factor

    def losses(
        self, algorithm: Any, views: Views, targets: torch.Tensor, weights: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """lambda_Phi times the factor as a loss, nothing where lambda_Phi is 0 (Eq. 23).

        Args:
            algorithm: the running algorithm.
            views: outputs; `logits_w` is (U, C) and carries a gradient.
            targets: (U,) or (U, C); not used.
            weights: (U,); those above 0 are what a mean over the selected runs over.
        """
        if float(algorithm.args.lambda_phi) == 0:
            return {}
        loss = algorithm.call_hook("loss", "SmoothWeightHook", logits=views.logits_w)
        if algorithm.ulb_loss_mean == "selected":
            loss = loss * selected_share(weights)
        return {"phi_loss": float(algorithm.args.lambda_phi) * loss}
