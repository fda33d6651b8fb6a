"""PriorLabelHook: prior pseudo-labels join the weak predictions until iteration T (AS3L, Eq. 5)."""

import hashlib
from dataclasses import replace
from typing import Any

import torch

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.methods.as3l.prior import posterior, posterior_logits
from usb_ext.upstream.usb import Hook


class PriorLabelHook(Hook):  # type: ignore[misc]
    """Owns y_prior of every unlabelled example, which training never changes.

    ours: steps are counted from 0 and t < T takes the prior, so that T is the number of steps with it and
    T = 0 is the base. Across processes there is nothing to exchange: each holds the same table.

    Args:
        prior: (n, C) prior pseudo-labels, row i of the example with `idx_ulb` i; it follows the device
            of the predictions.
        until: T, in steps.
    """

    def __init__(self, prior: torch.Tensor, until: int) -> None:
        super().__init__()
        self.prior = prior
        self.until = until
        self.sha256 = hashlib.sha256(prior.cpu().numpy().tobytes()).hexdigest()

    @torch.no_grad()
    def join(self, algorithm: Any, weak: Any) -> Any:
        """What the weak views say, with y_post in place of y_weak; unchanged from step T on.

        Args:
            algorithm: its `it` is t.
            weak: `algorithms.base_rule.Weak`: logits (U, C), probabilities (U, C), which are aligned
                where the base does so, and positions (U,) in the unlabelled set.

        Returns:
            A changed copy: log y_post of the logits and y_post of the probabilities, both (U, C).

        Raises:
            RunFailed: the training loop gives no positions.
        """
        if algorithm.it >= self.until:
            return weak
        if weak.indices is None:
            raise RunFailed("prior_label needs idx_ulb, the positions of the unlabelled examples")
        if self.prior.device != weak.logits.device:
            self.prior = self.prior.to(weak.logits.device)
        wide = torch.promote_types(weak.logits.dtype, torch.float32)
        prior = self.prior[weak.indices].to(wide)
        return replace(
            weak,
            logits=posterior_logits(prior, weak.logits.to(wide)),
            probs=posterior(prior, weak.probs.to(wide)),
        )

    def state_dict(self) -> dict[str, str]:
        """A digest: the table itself is read again from its file."""
        return {"sha256": self.sha256}

    def load_state_dict(self, state: dict[str, str]) -> None:
        """Make sure that a resumed run goes on with the prior pseudo-labels it began with.

        Raises:
            SettingsError: the file has changed.
        """
        if state["sha256"] != self.sha256:
            raise SettingsError(
                "prior_file holds other prior pseudo-labels than when the run began; put the old file "
                "back, or start again with --overwrite"
            )
