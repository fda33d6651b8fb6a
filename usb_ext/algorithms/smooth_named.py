"""Smooth FixMatch and Smooth Pseudo-Label: the smooth weight on a fixed threshold, two views or one."""

from typing import ClassVar

from usb_ext.methods.step.step import WeakStrong


class SmoothFixMatch(WeakStrong):
    """Smooth FixMatch (Smooth Pseudo-Labeling, Eq. 21): Phi times FixMatch's loss."""

    default_base: ClassVar[str] = "fixmatch"
    default_extensions: ClassVar[tuple[str, ...]] = ("smooth_weight",)


class SmoothPseudoLabel(SmoothFixMatch):
    """Smooth Pseudo-Label (Smooth Pseudo-Labeling, Eq. 14): one view makes the label and learns it.

    On Pseudo-Label as USB has it, whose weight rises over the share `unsup_warm_up` of the run; the
    paper's equations have no such rise.
    """

    default_base: ClassVar[str] = "pseudolabel"
