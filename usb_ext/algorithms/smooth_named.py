"""Smooth FixMatch and Smooth Pseudo-Label: the smooth weight on a fixed threshold, two views or one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from usb_ext.algorithms.views import Inputs, Views, forward_one_view
from usb_ext.algorithms.weak_strong import WeakStrong
from usb_ext.upstream.usb import SSL_Argument


class SmoothFixMatch(WeakStrong):
    """Smooth FixMatch (Smooth Pseudo-Labeling, Eq. 21): Phi times FixMatch's loss."""

    default_base: ClassVar[str] = "fixmatch"
    default_extensions: ClassVar[tuple[str, ...]] = ("smooth_weight",)


class SmoothPseudoLabel(SmoothFixMatch):
    """Smooth Pseudo-Label (Smooth Pseudo-Labeling, Eq. 14): one view makes the label and learns it.

    Without the smooth weight and on fixmatch's threshold it is USB's Pseudo-Label, with its weight that
    rises over the share `unsup_warm_up` of the run; the paper's equations have no such rise.
    """

    @classmethod
    def get_argument(cls) -> list[Any]:
        """Smooth FixMatch's, and the rise of the unlabelled loss with USB's default."""
        return [*super().get_argument(), SSL_Argument("--unsup_warm_up", float, 0.4)]

    def _ramp(self) -> float:
        """it / (unsup_warm_up num_train_iter), at most 1."""
        rise = self.args.unsup_warm_up * self.num_train_iter
        return float(min(self.it / rise, 1.0))

    def _forward(self, x_lb: Inputs, x_w: Inputs, x_s: Inputs | None) -> Views:
        """Labelled, then weak views with batch norm's running statistics kept; no strong view."""
        return forward_one_view(self.model, x_lb, x_w, self.head_tap, self._kept_statistics())

    @contextmanager
    def _kept_statistics(self) -> Iterator[None]:
        self.bn_controller.freeze_bn(self.model)
        try:
            yield
        finally:
            self.bn_controller.unfreeze_bn(self.model)
