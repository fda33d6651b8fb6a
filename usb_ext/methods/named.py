"""The named algorithms: fixed choices of a base and extensions, registered in USB.

After `usb_ext.register()` USB's own `get_algorithm` and API find them.

Smooth FixMatch and Smooth Pseudo-Label: the smooth weight on a fixed threshold, two views or one.
"""

from typing import Any, ClassVar

from usb_ext.methods.registry import RULES
from usb_ext.methods.step.base import BaseRule
from usb_ext.methods.step.step import WeakStrong
from usb_ext.settings.names import CARRIERS, DEFAULT_BASE
from usb_ext.upstream.usb import ALGORITHMS


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


class LayerMatch(WeakStrong):
    """LayerMatch (Liang et al., Eq. 9): self-adaptive threshold, Grad-ReLU and Avg-Clustering.

    FreeMatch's threshold without quantile, clip or fairness term (Tables 6 and 7).
    """

    default_base: ClassVar[str] = "freematch"
    default_extensions: ClassVar[tuple[str, ...]] = ("grad_relu", "avg_clustering")

    @classmethod
    def get_argument(cls) -> list[Any]:
        """FreeMatch's arguments, with the fairness term at 0."""
        arguments = super().get_argument()
        for argument in arguments:
            if argument.name == "--ent_loss_ratio":
                argument.default = 0.0
        return arguments


class Influence(WeakStrong):
    """A learned weight for every unlabelled example (Ren et al., 2020), on UDA or the base given."""

    default_base: ClassVar[str] = "uda"
    default_extensions: ClassVar[tuple[str, ...]] = ("influence",)


class InfluenceUDA(Influence):
    """UDA with learned weights (Ren et al., 2020, Table 1)."""


class InfluenceFixMatch(Influence):
    """FixMatch with learned weights (Ren et al., 2020, Table 1)."""

    default_base: ClassVar[str] = "fixmatch"


class InfluencePseudoLabel(Influence):
    """Pseudo-Label with learned weights (Ren et al., 2020, Sec. 4.1: the toy sets)."""

    default_base: ClassVar[str] = "pseudolabel"


class FixMatchEMAN(WeakStrong):
    """FixMatch with an averaged teacher (Cai et al., 2021), the second base of AS3L's Table 4."""

    default_base: ClassVar[str] = "fixmatch_eman"


class AS3L(WeakStrong):
    """AS3L (Wen et al., Sec. 4.2): FlexMatch led by prior pseudo-labels in the first steps."""

    default_base: ClassVar[str] = "flexmatch"
    default_extensions: ClassVar[tuple[str, ...]] = ("prior_label",)


NAMED: dict[str, type[WeakStrong]] = {
    "weak_strong": WeakStrong,
    "layermatch": LayerMatch,
    "smoothfixmatch": SmoothFixMatch,
    "smoothpseudolabel": SmoothPseudoLabel,
    "influence": Influence,
    "influence_uda": InfluenceUDA,
    "influence_fixmatch": InfluenceFixMatch,
    "influence_pseudolabel": InfluencePseudoLabel,
    "as3l": AS3L,
}
OWN_BASES: dict[str, type[WeakStrong]] = {"fixmatch_eman": FixMatchEMAN}
"""Bases that USB has no algorithm for, so that its registry does not know their names."""


def on_base(base: str) -> type[WeakStrong]:
    """Our class for a base's own name: that rule, and whatever extensions the settings ask for.

    Args:
        base: one of the bases.

    Returns:
        A subclass of WeakStrong.
    """
    if base not in RULES:
        raise KeyError(base)
    return type(f"WeakStrong_{base}", (WeakStrong,), {"default_base": base})


def register() -> None:
    """Put the named algorithms into USB's registry, once."""
    for name, algorithm in {**NAMED, **OWN_BASES}.items():
        if name not in ALGORITHMS:
            ALGORITHMS[name] = algorithm


def add_base(rule: BaseRule) -> None:
    """Put a rule beside the bases: an algorithm of its name, which carries extensions as they do.

    Args:
        rule: a `BaseRule` with a name of its own.

    Raises:
        ValueError: if the name is taken or empty.
    """
    register()
    if not rule.name or rule.name in ALGORITHMS:
        raise ValueError(f"base name {rule.name!r} is empty or taken")
    RULES[rule.name] = rule
    ALGORITHMS[rule.name] = on_base(rule.name)
    CARRIERS.append(rule.name)
    DEFAULT_BASE[rule.name] = rule.name
