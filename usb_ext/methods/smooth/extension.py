"""SmoothWeightHook: the factor that replaces the hard mask, and the factor as a loss.

Smooth Pseudo-Labeling, Eqs. 13 to 16 (the factor), 23 (its loss) and C.2 (that loss's limit).
"""

import logging
from typing import Any

import torch

from usb_ext.methods.smooth.weight import factor_loss, factor_loss_limit, smooth_weight
from usb_ext.upstream.usb import Hook

_log = logging.getLogger(__name__)


class SmoothWeightHook(Hook):  # type: ignore[misc]
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
        algorithm: Any,
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

    def loss(self, algorithm: Any, logits: torch.Tensor) -> torch.Tensor:
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

    def after_train_step(self, algorithm: Any) -> None:
        """Log the limit beside the losses."""
        if self.limit is not None:
            algorithm.log_dict["train/phi_limit"] = self.limit

    def after_run(self, algorithm: Any) -> None:
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
