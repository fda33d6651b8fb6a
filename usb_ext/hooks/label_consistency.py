"""LabelConsistencyHook: do pseudo-labels agree with those of the neighbours in feature space?

AS3L (Sec. 3, Fig. 2) asks how much of a self-supervised feature space is left in training, by the share
of a sample's nearest neighbours that have its label. Here the features stay and the pseudo-labels move.
"""

from typing import Any

import torch

from usb_ext.methods.as3l.consistency import label_consistency
from usb_ext.upstream.usb import Hook

KEY = "train/label_consistency"


class LabelConsistencyHook(Hook):  # type: ignore[misc]
    """Owns the pseudo-label of each unlabelled example as it was last seen, -1 before.

    Pseudo-labels are the argmax of what the base sees of the weak views, selected or not. The value is
    logged at each evaluation. Across processes: each notes the examples it was served, and logs its own
    value; the state is that of the process which saves.

    Args:
        count: U, number of unlabelled examples.
        watched: (n,) positions in the unlabelled set of the examples that are compared.
        near: (n, k) neighbours of each, as places in `watched`.
    """

    def __init__(self, count: int, watched: torch.Tensor, near: torch.Tensor) -> None:
        super().__init__()
        self.watched, self.near = watched, near
        self.seen = torch.full((count,), -1, dtype=torch.long)

    @torch.no_grad()
    def after_weak(self, algorithm: Any, weak: Any) -> None:
        """Note the pseudo-labels of a step.

        Args:
            algorithm: the running algorithm.
            weak: `probs` (U', C) and `indices` (U',), or None, of the step's unlabelled examples.
        """
        if weak.indices is None:
            return
        if self.seen.device != weak.probs.device:
            self.seen = self.seen.to(weak.probs.device)
        self.seen[weak.indices] = weak.probs.argmax(dim=-1)

    def after_train_step(self, algorithm: Any) -> None:
        """At an evaluation, log the consistency of what has been seen so far."""
        if "eval/top-1-acc" not in algorithm.log_dict:
            return
        value = float(label_consistency(self.seen.cpu()[self.watched], self.near))
        if value == value:  # NaN before two neighbours were seen
            algorithm.log_dict[KEY] = value

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The pseudo-labels, shape (U,)."""
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take a copy of what `state_dict` gave, shape (U,)."""
        self.seen = state["seen"].clone()
