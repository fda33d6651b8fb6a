"""FreeMatch's self-adaptive threshold without a host synchronisation (Wang et al., 2023, Eq. 5-8)."""

from typing import Any

import torch
import torch.nn.functional as F

from usb_ext.hooks.processes import gathered
from usb_ext.upstream.usb import FreeMatchThresholdingHook


class FreeMatchThreshold(FreeMatchThresholdingHook):  # type: ignore[misc]
    """USB's hook with the histogram counted on the device: `torch.bincount` waits for its result.

    Owns `time_p` (scalar), `p_model` (C,) and `label_hist` (C,), the running global threshold, mean
    prediction and histogram of predictions. They follow the rows of all processes, as in USB.
    """

    time_p: torch.Tensor
    p_model: torch.Tensor
    label_hist: torch.Tensor

    @torch.no_grad()
    def update(self, algorithm: Any, probs_x_ulb: torch.Tensor) -> None:
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
