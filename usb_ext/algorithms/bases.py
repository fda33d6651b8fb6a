"""The bases by name; each stands in a file of its own, by its difference from FixMatch.

With no extension each of `USB_RULES` equals USB's algorithm of that name: losses and every gradient
(`tests/test_usb_equality.py`, test number one). USB has no `fixmatch_eman`.
"""

from usb_ext.algorithms.fixmatch_eman import FixMatchEMANRule
from usb_ext.algorithms.flexmatch import FlexMatchRule
from usb_ext.methods.bases.adamatch import AdaMatchRule
from usb_ext.methods.bases.dash import DashRule
from usb_ext.methods.bases.freematch import FreeMatchRule
from usb_ext.methods.bases.pseudolabel import PseudoLabelRule
from usb_ext.methods.bases.softmatch import SoftMatchRule
from usb_ext.methods.bases.uda import UDARule
from usb_ext.methods.step.base import BaseRule

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
