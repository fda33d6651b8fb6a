"""The bases by name; each stands in a file of its own, by its difference from FixMatch.

With no extension each equals USB's algorithm of that name: losses and every gradient
(`tests/test_usb_equality.py`, test number one).
"""

from usb_ext.algorithms.adamatch import AdaMatchRule
from usb_ext.algorithms.base_rule import BaseRule
from usb_ext.algorithms.dash import DashRule
from usb_ext.algorithms.flexmatch import FlexMatchRule
from usb_ext.algorithms.freematch import FreeMatchRule
from usb_ext.algorithms.pseudolabel import PseudoLabelRule
from usb_ext.algorithms.softmatch import SoftMatchRule
from usb_ext.algorithms.uda import UDARule

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
    )
}
