"""Extension `smooth_weight`: the hard mask becomes a factor without a jump (Smooth Pseudo-Labeling).

The hook holds the factor that replaces the mask (Eqs. 13 to 16), the factor as a loss (Eq. 23) and that
loss's limit (C.2).
"""

import logging

import torch

from usb_ext.core.errors import SettingsError
from usb_ext.methods.smooth.weight import factor_loss, factor_loss_limit, smooth_weight
from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.extension import Extension, selected_share
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Views
from usb_ext.settings.smooth import exponent_of
from usb_ext.upstream.usb import Hook

_log = logging.getLogger(__name__)


class SmoothWeightHook(Hook):
    """A masking hook that returns Phi, on top of the base's own.

    Owns the limit of lambda_Phi at the last step (kept only where lambda_Phi > 0). Across processes
    each one weights its own batch and nothing is exchanged; the limit is that of the process's batch.

    Args:
        exponent: mu > 0.
        factor_ratio: lambda_Phi >= 0.
    """

    def __init__(self, exponent: float, factor_ratio: float) -> None:
        super().__init__()
        self.exponent = exponent
        self.factor_ratio = factor_ratio
        self.limit: torch.Tensor | None = None
        self._confidence = self._threshold = self._classes = torch.empty(0)

    @torch.no_grad()
    def masking(
        self,
        algorithm: RunningStep,
        confidence: torch.Tensor,
        threshold: torch.Tensor,
        classes: torch.Tensor,
    ) -> torch.Tensor:
        """Phi of each example, shape (U,), without a gradient (Eq. 15).

        Args:
            algorithm: the running algorithm.
            confidence: (U,) what the base held against its threshold.
            threshold: (U,) that threshold.
            classes: (U,) pseudo-classes; the factor's own loss needs them.
        """
        self._confidence, self._threshold, self._classes = confidence, threshold, classes
        if self.factor_ratio > 0:
            self.limit = self._limit(algorithm.lambda_u)
        return smooth_weight(confidence, threshold, self.exponent)

    def _limit(self, weight: float) -> torch.Tensor:
        """lambda_Phi's limit, shape (), at the mean confidence and threshold of what is selected.

        ours: of an empty selection, at confidence 1, the largest that it may reach.
        """
        chosen = (self._confidence > self._threshold).to(self._confidence.dtype)
        count = chosen.sum()
        s = torch.where(count > 0, (chosen * self._confidence).sum() / count, 1.0)
        selected_tau = (chosen * self._threshold).sum() / count
        tau = torch.where(count > 0, selected_tau, self._threshold.mean())
        return factor_loss_limit(s, tau, weight, self.exponent)

    def loss(self, algorithm: RunningStep, logits: torch.Tensor) -> torch.Tensor:
        """Mean of - sg(Phi) Phi over the batch, shape (), without lambda_Phi (Eq. 23).

        ours: the gradient goes through the network's own probability of the pseudo-class; what
        alignment (AdaMatch) or soft labels (Dash) make of it counts as a constant.

        Args:
            algorithm: the running algorithm.
            logits: (U, C) of the weak views, part of the graph.
        """
        probs = torch.softmax(logits, dim=-1)
        own = probs.gather(1, self._classes.unsqueeze(1)).squeeze(1)
        confidence = self._confidence + (own - own.detach())
        return factor_loss(confidence, self._threshold, self.exponent).mean()

    def after_train_step(self, algorithm: RunningStep) -> None:
        """Log the limit beside the losses."""
        if self.limit is not None:
            algorithm.log_dict["train/phi_limit"] = self.limit

    def after_run(self, algorithm: RunningStep) -> None:
        """Say it where lambda_Phi ended above its limit; reads one number from the device."""
        if self.limit is not None and self.factor_ratio > float(self.limit):
            _log.warning(
                "lambda_phi is %g, above its limit %.4g at the last step (C.2): the weak view is "
                "learned more than the strong one",
                self.factor_ratio,
                float(self.limit),
            )

    def state_dict(self) -> dict[str, torch.Tensor | None]:
        """The limit at the last step, shape (), or None."""
        return {"limit": self.limit}

    def load_state_dict(self, state: dict[str, torch.Tensor | None]) -> None:
        """Take back what `state_dict` gave."""
        self.limit = state["limit"]


class SmoothWeight(Extension):
    """Phi(s) = (relu(s - tau) / (1 - tau))^mu for the 0 or 1 of a threshold; not on softmatch (Eq. 13).

    On every base with a threshold; tau is, example by example, the one that the base used in the step.
    """

    def hook(self, algorithm: RunningStep) -> Hook:
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

    def weights(self, algorithm: RunningStep, weak: Weak, weights: torch.Tensor) -> torch.Tensor:
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

    def through_weak(self, algorithm: RunningStep) -> bool:
        """Where the factor is a loss (Eq. 23)."""
        return float(algorithm.args.lambda_phi) != 0

    def all_strong(self, algorithm: RunningStep) -> bool:
        """No: the factor is made of the weak views."""
        return False

    def losses(
        self, algorithm: RunningStep, views: Views, targets: torch.Tensor, weights: torch.Tensor
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
