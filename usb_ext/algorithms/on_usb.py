"""Grad-ReLU on USB's own classes: what our engine puts above one of them (`step: usb`).

The class keeps its `train_step` as USB wrote it. Avg-Clustering and other extensions add a loss, for
which that step has no place; they need ours.
"""

from typing import Any, ClassVar

from usb_ext.methods.layermatch.grad_relu import GradReLUHook


class WithGradReLU:
    """Stands above a class of USB's, `class Run(WithGradReLU, FixMatch, Engine)` (LayerMatch, Fig. 3).

    Attributes:
        extensions: what `result.json` records.
    """

    extensions: ClassVar[tuple[str, ...]] = ("grad_relu",)

    def set_hooks(self: Any) -> None:
        """USB's hooks, then Grad-ReLU's."""
        super().set_hooks()  # type: ignore[misc]
        self.register_hook(GradReLUHook.on(self), "GradReLUHook", "LOW")
