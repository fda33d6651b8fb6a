"""FlexMatch's threshold without a host synchronisation (Zhang et al., 2021).

USB counts the remembered labels of the whole unlabelled set in Python, every step. Here the counts are
kept on the device and changed by the batch, so a step costs the same whatever the size of the set. The
numbers are USB's (`tests/test_usb_equality.py`).

FlexMatch as a base: curriculum pseudo-labelling (Zhang et al., 2021).
"""

import torch

from usb_ext.engine.processes import gathered
from usb_ext.methods.step.base import BaseRule, Weak
from usb_ext.methods.step.running import RunningStep
from usb_ext.upstream.usb import (
    FlexMatchThresholdingHook,
    Hook,
    PseudoLabelingHook,
)


class FlexMatchThreshold(FlexMatchThresholdingHook):
    """Owns the last confident class of every unlabelled example and how often each class occurs.

    ours: with several processes each remembers the rows of all, so that they agree and one checkpoint
    fits them all. In USB each process knows its own rows alone, and a checkpoint those of the first.

    Attributes:
        selected_label: (n,) class, -1 for never confident.
        classwise_acc: (C,) learning status of each class in [0, 1].
        counts: (C + 1,) how many examples have -1, 0, ..., C - 1.
        thresholds: (U,) what the last batch was held against.
    """

    selected_label: torch.Tensor
    classwise_acc: torch.Tensor

    def __init__(self, ulb_dest_len: int, num_classes: int, thresh_warmup: bool = True) -> None:
        super().__init__(ulb_dest_len, num_classes, thresh_warmup)
        self.counts = torch.zeros(num_classes + 1, dtype=torch.long)
        self.counts[0] = ulb_dest_len
        self.thresholds = torch.zeros(0)

    @torch.no_grad()
    def masking(
        self,
        algorithm: RunningStep,
        logits_x_ulb: torch.Tensor,
        idx_ulb: torch.Tensor,
        softmax_x_ulb: bool = True,
        **_: object,
    ) -> torch.Tensor:
        """Weights 0 or 1 of the batch, shape (U,); then the batch is remembered.

        Args:
            algorithm: gives `p_cutoff`.
            logits_x_ulb: (U, C) logits, or probabilities with `softmax_x_ulb` off.
            idx_ulb: (U,) positions in the unlabelled set; a position may occur twice.
            softmax_x_ulb: whether to make probabilities first.
        """
        self._follow(logits_x_ulb.device)
        scores = logits_x_ulb.detach()
        probs = algorithm.compute_prob(scores) if softmax_x_ulb else scores
        confidence, classes = probs.max(dim=-1)
        status = self.classwise_acc[classes]
        self.thresholds = algorithm.p_cutoff * (status / (2.0 - status))
        mask = confidence.ge(self.thresholds)
        seen = (idx_ulb, classes, confidence.ge(algorithm.p_cutoff))
        self._remember(*(gathered(algorithm, rows) for rows in seen))
        self.update()
        return mask.to(confidence.dtype)

    def _follow(self, device: torch.device) -> None:
        if self.counts.device != device:
            self.selected_label = self.selected_label.to(device)
            self.classwise_acc = self.classwise_acc.to(device)
            self.counts = self.counts.to(device)

    def _remember(
        self, indices: torch.Tensor, classes: torch.Tensor, confident: torch.Tensor
    ) -> None:
        """Note confident classes; where a position occurs twice, the later confident one stays."""
        place = torch.arange(len(indices), device=indices.device)
        same = indices.unsqueeze(1) == indices.unsqueeze(0)
        later = same & (place.unsqueeze(0) > place.unsqueeze(1)) & confident.unsqueeze(0)
        noted = (confident & ~later.any(dim=1)).long()
        before = self.selected_label[indices]
        self.selected_label.index_add_(0, indices, noted * (classes - before))
        self.counts.index_add_(0, before + 1, -noted)
        self.counts.index_add_(0, classes + 1, noted)

    @torch.no_grad()
    def update(self, *_: object, **__: object) -> None:
        """Learning status of each class from the counts; unchanged while all examples agree."""
        exact = self.counts.to(torch.float32 if self.counts.device.type == "mps" else torch.float64)
        largest = exact.max() if self.thresh_warmup else exact[1:].max().clamp(min=1)
        status = (exact[1:] / largest).to(self.classwise_acc.dtype)
        undecided = self.counts.max() == self.ulb_dest_len
        self.classwise_acc = torch.where(undecided, self.classwise_acc, status)


class FlexMatchRule(BaseRule):
    """A threshold per class that follows how many examples were ever selected (Zhang et al., 2021)."""

    def hooks(self, algorithm: RunningStep) -> list[tuple[Hook, str]]:
        """The hook with a record of the last confident class of every unlabelled example."""
        args = algorithm.args
        masking = FlexMatchThreshold(args.ulb_dest_len, algorithm.num_classes, args.thresh_warmup)
        return [(PseudoLabelingHook(), "PseudoLabelingHook"), (masking, "MaskingHook")]

    def weights(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Weight of each unlabelled example, shape (U,); needs the examples' positions."""
        weights: torch.Tensor = algorithm.call_hook(
            "masking",
            "MaskingHook",
            logits_x_ulb=weak.probs,
            softmax_x_ulb=False,
            idx_ulb=weak.indices,
        )
        return weights

    def threshold(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Each example's, as its class stood before the batch was remembered; shape (U,)."""
        thresholds: torch.Tensor = algorithm.hooks_dict["MaskingHook"].thresholds
        return thresholds
