"""Extensions: what may be put on any base, any subset of them.

An extension names its arguments, its hook, and the losses it adds. It is switched on by an algorithm's
declaration or by `extensions: [...]`, and off by `NAME: False` (the papers' ablations).

The bases by name; each stands in a file of its own, by its difference from FixMatch.

With no extension each of `USB_RULES` equals USB's algorithm of that name: losses and every gradient
(`tests/test_usb_equality.py`, test number one). USB has no `fixmatch_eman`.
"""

from usb_ext.methods.as3l.prior import PriorLabel
from usb_ext.methods.bases.adamatch import AdaMatchRule
from usb_ext.methods.bases.dash import DashRule
from usb_ext.methods.bases.fixmatch_eman import FixMatchEMANRule
from usb_ext.methods.bases.flexmatch import FlexMatchRule
from usb_ext.methods.bases.freematch import FreeMatchRule
from usb_ext.methods.bases.pseudolabel import PseudoLabelRule
from usb_ext.methods.bases.softmatch import SoftMatchRule
from usb_ext.methods.bases.uda import UDARule
from usb_ext.methods.influence.extension import Influence
from usb_ext.methods.layermatch.extension import AvgClustering, GradReLU
from usb_ext.methods.smooth.extension import SmoothWeight
from usb_ext.methods.step.base import BaseRule
from usb_ext.methods.step.extension import Extension

__all__ = ["EXTENSIONS", "Extension"]


EXTENSIONS: dict[str, Extension] = {
    e.name: e for e in (GradReLU(), AvgClustering(), SmoothWeight(), Influence(), PriorLabel())
}


RULES: dict[str, BaseRule] = {
    rule.name: rule
    for rule in (
        BaseRule(),
        FlexMatchRule(),
        FreeMatchRule(),
        SoftMatchRule(),
        AdaMatchRule(),
        UDARule(),
        DashRule(),
        PseudoLabelRule(),
        FixMatchEMANRule(),
    )
}
USB_RULES: tuple[str, ...] = tuple(name for name in RULES if name != FixMatchEMANRule.name)
"""Those that USB has an algorithm for."""
