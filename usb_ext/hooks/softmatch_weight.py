"""SoftMatch's truncated Gaussian weight without a host synchronisation (Chen et al., 2023)."""

from types import SimpleNamespace
from typing import Any

import torch

from usb_ext.hooks.processes import gathered
from usb_ext.upstream.usb import SoftMatchWeightingHook

ALONE = SimpleNamespace(distributed=False)
"""Stands for the algorithm where rows are gathered already: USB's hook calls a method it lacks there."""


class SoftMatchWeight(SoftMatchWeightingHook):  # type: ignore[misc]
    """USB's hook with its statistics left on the device, and `per_class` that can be built.

    Owns `prob_max_mu_t` and `prob_max_var_t`: running mean and variance of the confidence, scalars or
    (C,) with `per_class` (USB's class raises there: it reads `self.args`, which a hook does not have).
    They follow the rows of all processes.
    """

    def __init__(self, num_classes: int, n_sigma: int, momentum: float, per_class: bool) -> None:
        super().__init__(num_classes, n_sigma=n_sigma, momentum=momentum, per_class=False)
        self.per_class = per_class
        if per_class:
            self.prob_max_mu_t = torch.full((num_classes,), 1.0 / num_classes)
            self.prob_max_var_t = torch.ones(num_classes)

    @torch.no_grad()
    def update(self, algorithm: Any, probs_x_ulb: torch.Tensor) -> Any:
        """Move the running mean and variance by one batch.

        Args:
            algorithm: the running algorithm.
            probs_x_ulb: (U, C) aligned probabilities of the weak views.

        Returns:
            Confidence and class of each example of all processes, both of shape (P U,), as USB's
            hook does.
        """
        probs_x_ulb = gathered(algorithm, probs_x_ulb)
        if self.per_class:
            return super().update(ALONE, probs_x_ulb)
        confidence, classes = probs_x_ulb.max(dim=-1)
        m, dtype = self.m, self.prob_max_mu_t.dtype
        mean, variance = confidence.mean().to(dtype), confidence.var(unbiased=True).to(dtype)
        self.prob_max_mu_t = m * self.prob_max_mu_t + (1 - m) * mean
        self.prob_max_var_t = m * self.prob_max_var_t + (1 - m) * variance
        return confidence, classes
