"""Names that settings choose from, and which of them go together.

Only names: the classes behind them live in `usb_ext.algorithms`, which needs torch. A test
compares the two. An algorithm that stands in none of these lists (USB's comatch, vat, ..., or one
that a user has registered) runs as it is and carries nothing.
"""

from typing import Literal, TypeAlias, get_args

Base: TypeAlias = Literal[
    "fixmatch",
    "flexmatch",
    "freematch",
    "softmatch",
    "adamatch",
    "uda",
    "dash",
    "pseudolabel",
    "fixmatch_eman",
]
"""How weights and targets are made from the weak view."""

BASES: tuple[str, ...] = get_args(Base)
OURS_ALONE: frozenset[str] = frozenset({"fixmatch_eman"})
"""Bases that USB has no class of, so that `step: usb` has nothing to run."""

OTHER_DEFAULTS: dict[str, dict[str, float]] = {"fixmatch_eman": {"ulb_loss_ratio": 10.0}}
"""Settings whose default is another one with a base (EMAN's code: lambda_u = 10)."""

EXTENSIONS: list[str] = [
    "grad_relu",
    "avg_clustering",
    "smooth_weight",
    "influence",
    "prior_label",
]
"""What may be put on a base: LayerMatch's Grad-ReLU (Sec. 4.2.1) and Avg-Clustering (Eq. 8), the smooth
weight (Smooth Pseudo-Labeling, Eq. 13), a learned weight for every unlabelled example (Ren et al., 2020),
AS3L's prior pseudo-labels (Eq. 5), and what `usb_ext.add_extension` has added."""

DEFAULT_BASE: dict[str, str] = {
    "layermatch": "freematch",
    "weak_strong": "fixmatch",
    "smoothfixmatch": "fixmatch",
    "influence": "uda",
    "as3l": "flexmatch",
}
"""Base of each algorithm of ours that takes `base`, where none is given."""

CHOOSE_BASE: tuple[str, ...] = tuple(DEFAULT_BASE)
"""Algorithms of ours that take `base`; the bases are their own."""

FIXED_BASE: dict[str, str] = {
    "influence_uda": "uda",
    "influence_fixmatch": "fixmatch",
    "influence_pseudolabel": "pseudolabel",
    "smoothpseudolabel": "pseudolabel",
}
"""Algorithms of ours that are one base with one extension."""

CARRIERS: list[str] = [*BASES, *CHOOSE_BASE, *FIXED_BASE]
"""Algorithms that go through our step and so can carry extensions; `usb_ext.add_base` adds to them."""

DECLARED: dict[str, tuple[str, ...]] = {
    "layermatch": ("grad_relu", "avg_clustering"),
    "smoothfixmatch": ("smooth_weight",),
    "smoothpseudolabel": ("smooth_weight",),
    "influence": ("influence",),
    "influence_uda": ("influence",),
    "influence_fixmatch": ("influence",),
    "influence_pseudolabel": ("influence",),
    "as3l": ("prior_label",),
}
"""Extensions that an algorithm has without being asked."""

ON_USB: tuple[str, ...] = ("grad_relu",)
"""Extensions that USB's own classes of the bases carry (`step: usb`): those that add no loss."""

NEEDS_CAT = (
    "USB's own class then sends labelled and unlabelled rows through the network apart, where grad_relu "
    "cannot tell them; use use_cat: True, or step: ours, which works without"
)
"""Why Grad-ReLU on USB's own classes needs `use_cat`."""

NO_UNLABELLED_LOSS: tuple[str, ...] = ("fullysupervised",)
"""Algorithms of USB's that use labels alone."""

ONE_VIEW: dict[str, str] = {
    name: base for name, base in FIXED_BASE.items() if base == "pseudolabel"
}
"""Algorithms of ours that learn the pseudo-label on the view that made it, with the algorithm of USB's
whose views they are served."""

ONE_BATCH: tuple[str, ...] = tuple(
    base for base in BASES if base not in {"pseudolabel", *OURS_ALONE}
)
"""Bases whose classes in USB send labelled and unlabelled rows as one batch, with `use_cat`."""

WITHOUT_THRESHOLD: tuple[str, ...] = ("softmatch",)
"""Bases that weight every example and select none."""

OWN_SPLIT: tuple[str, ...] = ("imagenet", "semi_", "fsdnoisy")
"""Beginnings of the names of data sets whose labelled part is not drawn evenly per class.

USB takes a share of the images (imagenet, imagenet127) or the labelled part that the data set comes
with (semi_aves, semi_inat, fsdnoisy).
"""


def has_own_split(dataset: str) -> bool:
    """Whether the labelled part of a data set is fixed elsewhere than by a draw per class.

    Args:
        dataset: name as in the setting `dataset`.
    """
    return dataset.startswith(OWN_SPLIT)


def served_as(algorithm: str) -> str:
    """The name by which USB decides which views an algorithm is served.

    Args:
        algorithm: name as in the setting `algorithm`.
    """
    return ONE_VIEW.get(algorithm, algorithm)


def declared_by(extension: str) -> tuple[str, ...]:
    """Algorithms that have an extension without being asked.

    Args:
        extension: its name.
    """
    return tuple(name for name, parts in DECLARED.items() if extension in parts)


def bases_with_threshold() -> tuple[str, ...]:
    """Bases on which the smooth weight goes."""
    return tuple(name for name in BASES if name not in WITHOUT_THRESHOLD)


def parts_of(algorithm: str, extensions: tuple[str, ...]) -> tuple[str, ...]:
    """Extensions that a run has, the algorithm's own and those asked for, in one fixed order.

    Args:
        algorithm: name as in the setting `algorithm`.
        extensions: names as in the setting `extensions`.
    """
    asked = {*DECLARED.get(algorithm, ()), *extensions}
    return tuple(name for name in EXTENSIONS if name in asked)
