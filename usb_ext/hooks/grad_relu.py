"""GradReLUHook: pseudo-labels do not touch the classification layer (LayerMatch, Sec. 4.2.1)."""

from typing import Any

from usb_ext.hooks.head_tap import HeadTap, find_head
from usb_ext.upstream.usb import Hook


class GradReLUHook(Hook):  # type: ignore[misc]
    """Keeps every loss but the supervised one away from the head's parameters.

    It acts in the forward pass (see `functional/grad_relu.py`), so there is nothing to do between the
    backward pass and the optimizer step, where USB has no seam, and nothing to save: the hook has no
    state. In our step the number of labelled rows is announced before each forward pass. On USB's own
    classes it is the labelled batch size, which is right as long as `use_cat` is on (labelled rows
    come first in one batch).

    Args:
        tap: the tap on the classification layer.
    """

    def __init__(self, tap: HeadTap) -> None:
        super().__init__()
        self.tap = tap
        tap.grad_relu = True

    @classmethod
    def on(cls, algorithm: Any) -> "GradReLUHook":
        """A hook for an algorithm of USB's, to be registered on it.

        Raises:
            SettingsError: if the network has no classification layer that can be found.
        """
        return cls(HeadTap(find_head(algorithm.model, algorithm.num_classes)))

    def before_train_step(self, algorithm: Any) -> None:
        """Announce the labelled rows for steps that do not do so themselves."""
        self.tap.labelled_rows = algorithm.args.batch_size

    def after_train_step(self, algorithm: Any) -> None:
        """Let go of the step's graph."""
        self.tap.forget()
