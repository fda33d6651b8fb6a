"""GradReLUHook: pseudo-labels do not touch the classification layer (LayerMatch, Sec. 4.2.1).

Grad-ReLU on USB's own classes: what our engine puts above one of them (`step: usb`).

The class keeps its `train_step` as USB wrote it. Avg-Clustering and other extensions add a loss, for
which that step has no place; they need ours.
"""

from typing import ClassVar

from usb_ext.core.errors import SettingsError
from usb_ext.methods.step.head_tap import HeadTap, find_head
from usb_ext.settings.algorithms import BASES
from usb_ext.settings.step import NEEDS_CAT
from usb_ext.upstream.running import Running
from usb_ext.upstream.usb import ALGORITHMS, AlgorithmBase, Hook


class GradReLUHook(Hook):
    """Keeps every loss but the supervised one away from the head's parameters.

    It acts in the forward pass (see `step/head_tap.py`), so there is nothing to do between the
    backward pass and the optimizer step, where USB has no seam, and nothing to save: the hook has no
    state, and every process of a distributed run cuts its own rows. In our step the number of labelled
    rows is announced before each forward pass, with `use_cat` or without. On USB's own classes it is
    the labelled batch size, which is right where `use_cat` is on: labelled rows come first in one
    batch.

    Args:
        tap: the tap on the classification layer.
    """

    def __init__(self, tap: HeadTap) -> None:
        super().__init__()
        self.tap = tap
        tap.grad_relu = True

    @classmethod
    def on(cls, algorithm: Running) -> "GradReLUHook":
        """A hook for a weak/strong algorithm of USB's, to be registered on it.

        Raises:
            SettingsError: if it is none of them, `use_cat` is off, or the network has no
                classification layer that can be found.
        """
        one_batch = [name for name, base in BASES.items() if base.one_batch]
        kinds = tuple(ALGORITHMS[name] for name in one_batch)
        if not isinstance(algorithm, kinds):
            raise SettingsError(
                f"{type(algorithm).__name__} is not USB's class of {', '.join(one_batch)}, whose batches "
                "start with the labelled rows; our own algorithms take extensions: [grad_relu]"
            )
        if not algorithm.use_cat:
            raise SettingsError(f"use_cat is {algorithm.use_cat} but {NEEDS_CAT}")
        return cls(HeadTap(find_head(algorithm.model, algorithm.num_classes)))

    def before_train_step(self, algorithm: Running) -> None:
        """Announce the labelled rows for steps that do not do so themselves."""
        self.tap.labelled_rows = algorithm.args.batch_size

    def after_train_step(self, algorithm: Running) -> None:
        """Make sure that the head was passed through, and let go of the step's graph."""
        self.tap.inputs()
        self.tap.forget()


class WithGradReLU(AlgorithmBase):
    """Stands above a class of USB's, `class Run(WithGradReLU, FixMatch, Engine)` (LayerMatch, Fig. 3).

    Attributes:
        extensions: what `result.json` records.
    """

    extensions: ClassVar[tuple[str, ...]] = ("grad_relu",)

    def set_hooks(self) -> None:
        """USB's hooks, then Grad-ReLU's."""
        super().set_hooks()
        self.register_hook(GradReLUHook.on(self), "GradReLUHook", "LOW")
