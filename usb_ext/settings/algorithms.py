"""Every algorithm of ours, declared once: its name, base, extensions, own defaults, paper and a line of help.

Registration in USB, the catalogue, what settings may say, the views that are served and the help page derive
from here. No torch: `where` names the class, which `methods/step/registry.py` imports when it is asked for.
An algorithm that stands in none of these tables (USB's comatch, vat, ..., or one that a user has registered)
runs as it is and carries nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

METHODS = "usb_ext.methods"


@dataclass(frozen=True)
class Declared:
    """What every declaration says.

    Attributes:
        name: as in the settings.
        help: one line.
        paper: authors and year, or the paper's name and its place.
        where: `module:Class` below `usb_ext.methods`; empty for what a user has added or what is composed.
        source: the file of what a user has added, where Python knows it; empty for ours.
    """

    name: str
    help: str
    paper: str
    where: str = ""
    source: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        """The line of the catalogue."""
        return (
            f"{self.name}: {self.help} ({self.paper})"
            if self.paper
            else f"{self.name}: {self.help}"
        )


@dataclass(frozen=True)
class Base(Declared):
    """How weights and targets are made from the weak view: a rule.

    Attributes:
        options: its options with its defaults, named as in USB.
        other_defaults: settings of every run whose default is another one with this base.
        in_usb: whether USB has a class of this name, which `step: usb` runs.
        one_batch: whether that class sends labelled and unlabelled rows as one batch, with `use_cat`.
        one_view: whether the pseudo-label is learned on the view that made it.
        has_threshold: whether it selects examples, rather than weighting all of them.
    """

    options: Mapping[str, object] = field(default_factory=dict)
    other_defaults: Mapping[str, object] = field(default_factory=dict)
    in_usb: bool = True
    one_batch: bool = True
    one_view: bool = False
    has_threshold: bool = True


@dataclass(frozen=True)
class Extension(Declared):
    """What may be put on any base; its options are the settings of the group that names it (`part_of`).

    Attributes:
        on_usb: whether USB's own classes of the bases carry it (`step: usb`): those that add no loss.
        needs_threshold: whether it goes only on bases that select.
    """

    on_usb: bool = False
    needs_threshold: bool = False


@dataclass(frozen=True)
class Algorithm(Declared):
    """A fixed choice of a base and extensions under a name of its own.

    Attributes:
        base: where none is given.
        any_base: whether the setting `base` may name another one.
        extensions: those it has without being asked.
        options: options of its base whose default is another one here.
        other_defaults: settings of every run whose default is another one here.
        published: settings that the paper states and that are no default.
        elsewhere: what a method has that is run in its place, beyond options: a file of AS3L starts from its
            own pre-training and choice of images, a baseline from neither.
        arm_of: the algorithm of which it is an arm, with which it shares the options of the base.
    """

    base: str = "fixmatch"
    any_base: bool = False
    extensions: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    other_defaults: Mapping[str, object] = field(default_factory=dict)
    published: Mapping[str, object] = field(default_factory=dict)
    elsewhere: Mapping[str, object] = field(default_factory=dict)
    arm_of: str = ""


Kind = TypeVar("Kind", bound=Declared)


def _by_name(*declared: Kind) -> dict[str, Kind]:
    return {one.name: one for one in declared}


HARD = {"hard_label": True, "T": 0.5}
FIXMATCH = {**HARD, "p_cutoff": 0.95}
CALIBRATED = {
    "ulb_loss_ratio": "calibrate"
}  # Smooth Pseudo-Labeling, C.1: measured; its value is lost
WITHOUT_AS3L = {
    "as3l_strategy": "random",
    "use_pretrain": False,
}  # AS3L, Tables 1, 2 and 4: from scratch

BASES: dict[str, Base] = _by_name(
    Base(
        "fixmatch",
        "a fixed threshold on the weak view's confidence, hard labels",
        "Sohn et al., 2020",
        "step.base:BaseRule",
        FIXMATCH,
    ),
    Base(
        "flexmatch",
        "a threshold for each class, lower where the class is learned less",
        "Zhang et al., 2021",
        "bases.flexmatch:FlexMatchRule",
        {**FIXMATCH, "thresh_warmup": True},
    ),
    Base(
        "freematch",
        "a self-adaptive threshold, and a fairness term on the strong views",
        "Wang et al., 2023",
        "bases.freematch:FreeMatchRule",
        {**HARD, "ema_p": 0.999, "ent_loss_ratio": 0.01, "use_quantile": False, "clip_thresh": False},
    ),
    Base(
        "softmatch",
        "a Gaussian weight of the confidence, after alignment",
        "Chen et al., 2023",
        "bases.softmatch:SoftMatchRule",
        {
            **HARD, "dist_align": True, "dist_uniform": True, "ema_p": 0.999, "n_sigma": 2,
            "per_class": False,
        },
        has_threshold=False,
    ),
    Base(
        "adamatch",
        "a threshold relative to the confidence on labelled data, after alignment",
        "Berthelot et al., 2022",
        "bases.adamatch:AdaMatchRule",
        {**FIXMATCH, "ema_p": 0.999},
    ),
    Base(
        "uda",
        "soft labels above a fixed threshold, training-signal annealing",
        "Xie et al., 2020",
        "bases.uda:UDARule",
        {"tsa_schedule": "none", "T": 0.4, "p_cutoff": 0.8},
    ),
    Base(
        "dash",
        "a loss threshold that falls over time, after a supervised warm-up",
        "Xu et al., 2021",
        "bases.dash:DashRule",
        {
            "T": 0.5, "gamma": 1.27, "C": 1.0001, "rho_min": 0.05, "num_wu_iter": 2048,
            "num_wu_eval_iter": 100,
        },
    ),
    Base(
        "pseudolabel",
        "the weak view is its own target above a fixed threshold; its loss warms up",
        "Lee, 2013",
        "bases.pseudolabel:PseudoLabelRule",
        {"p_cutoff": 0.95, "unsup_warm_up": 0.4},
        one_batch=False,
        one_view=True,
    ),
    Base(
        "fixmatch_eman",
        "FixMatch with an averaged teacher, batch-norm statistics included",
        "Cai et al., 2021",
        "bases.fixmatch_eman:FixMatchEMANRule",
        {**HARD, "p_cutoff": 0.7, "eman_m": 0.999},
        other_defaults={"ulb_loss_ratio": 10.0},  # as in EMAN's code: lambda_u
        in_usb=False,
        one_batch=False,
    ),
    Base(
        "instant",
        "a threshold for each example, from an estimated matrix of label noise that also corrects the loss",
        "Li et al., 2023",
        "bases.instant:InstantRule",
        {
            **HARD, "p_cutoff": 0.9, "ema_p": 0.999, "estimation": "instance", "scale": 5.0,
            "warm_up_it": None, "estimator_lr": None,
        },
        in_usb=False,
    ),
)  # fmt: skip
"""By name. With no extension each that `in_usb` equals USB's algorithm of that name, loss and gradients."""

EXTENSIONS: dict[str, Extension] = _by_name(
    Extension(
        "grad_relu",
        "no pseudo-label gradient in the head",
        "LayerMatch, Sec. 4.2.1",
        "layermatch.extension:GradReLU",
        on_usb=True,
    ),
    Extension(
        "avg_clustering",
        "a second loss through a slowly averaged head",
        "LayerMatch, Eqs. 8 and 9",
        "layermatch.extension:AvgClustering",
    ),
    Extension(
        "smooth_weight",
        "(relu(s - tau) / (1 - tau))^mu for the 0 or 1 of a threshold",
        "Smooth Pseudo-Labeling, Eq. 13",
        "smooth.extension:SmoothWeight",
        needs_threshold=True,
    ),
    Extension(
        "influence",
        "a weight for each unlabelled example, moved by its influence on a validation set",
        "Ren et al., 2020, Algorithm 1",
        "influence.extension:Influence",
    ),
    Extension(
        "prior_label",
        "prior pseudo-labels join the weak predictions in the first steps",
        "AS3L, Eq. 5",
        "as3l.prior:PriorLabel",
    ),
)
"""By name, in the order in which a step asks them."""

ALGORITHMS: dict[str, Algorithm] = _by_name(
    Algorithm("weak_strong", "any base with any extensions", "", base="fixmatch", any_base=True),
    Algorithm(
        "layermatch",
        "self-adaptive threshold, Grad-ReLU and Avg-Clustering",
        "Liang et al., Eq. 9, Tables 6 and 7",
        base="freematch",
        any_base=True,
        extensions=("grad_relu", "avg_clustering"),
        options={"ent_loss_ratio": 0.0},
    ),
    Algorithm(
        "smoothfixmatch",
        "a smooth weight times FixMatch's loss",
        "Smooth Pseudo-Labeling, Eq. 21",
        base="fixmatch",
        any_base=True,
        extensions=("smooth_weight",),
        published=CALIBRATED,
    ),
    Algorithm(
        "smoothpseudolabel",
        "one view makes the label and learns it, with a smooth weight; its loss warms up as USB's does",
        "Smooth Pseudo-Labeling, Eq. 14",
        base="pseudolabel",
        extensions=("smooth_weight",),
        published=CALIBRATED,
    ),
    Algorithm(
        "influence",
        "a learned weight for every unlabelled example",
        "Ren et al., 2020",
        base="uda",
        any_base=True,
        extensions=("influence",),
    ),
    Algorithm(
        "influence_uda", "UDA with learned weights", "Ren et al., 2020, Table 1",
        base="uda", extensions=("influence",),
    ),
    Algorithm(
        "influence_fixmatch", "FixMatch with learned weights", "Ren et al., 2020, Table 1",
        base="fixmatch", extensions=("influence",),
    ),
    Algorithm(
        "influence_pseudolabel", "Pseudo-Label with learned weights", "Ren et al., 2020, Sec. 4.1: toy sets",
        base="pseudolabel", extensions=("influence",),
    ),
    Algorithm(
        "as3l",
        "FlexMatch led by prior pseudo-labels in the first steps",
        "Wen et al., Sec. 4.2",
        base="flexmatch",
        any_base=True,
        extensions=("prior_label",),
        other_defaults={"as3l_strategy": "as3l"},
        elsewhere=WITHOUT_AS3L,
    ),
    Algorithm(
        "selfmatch",
        "FlexMatch from self-supervised weights, on images that are chosen at random",
        "Kim et al., 2021; AS3L's baseline, Tables 1 to 5",
        base="flexmatch",
        any_base=True,
        other_defaults={"as3l_strategy": "random", "use_pretrain": True},
        elsewhere=WITHOUT_AS3L,
        arm_of="as3l",
    ),
)  # fmt: skip
"""By name; the bases are algorithms too, under their own names."""

NO_UNLABELLED_LOSS = ("fullysupervised",)
"""Algorithms of USB's that use labels alone."""


def carriers() -> list[str]:
    """Algorithms that go through our step and so can carry extensions."""
    return [*BASES, *ALGORITHMS]


def base_of(algorithm: str) -> str | None:
    """The base of an algorithm where the settings name none; None for an algorithm without one.

    Args:
        algorithm: name as in the setting `algorithm`.
    """
    if algorithm in ALGORITHMS:
        return ALGORITHMS[algorithm].base
    return algorithm if algorithm in BASES else None


def takes_any_base() -> list[str]:
    """Algorithms for which the setting `base` chooses."""
    return [name for name, one in ALGORITHMS.items() if one.any_base]


def other_defaults(algorithm: str, base: str | None) -> Mapping[str, object]:
    """Settings of every run whose default is another one with a run's base or algorithm.

    Args:
        algorithm: name as in the setting `algorithm`.
        base: name as in the setting `base`, or None.
    """
    declared = BASES.get(base or base_of(algorithm) or "")
    ours = ALGORITHMS.get(algorithm)
    found = {} if declared is None else dict(declared.other_defaults)
    return found if ours is None else {**found, **ours.other_defaults}


def served_as(algorithm: str) -> str:
    """The name by which USB decides which views an algorithm is served.

    Args:
        algorithm: name as in the setting `algorithm`.
    """
    ours = ALGORITHMS.get(algorithm)
    fixed = ours is not None and not ours.any_base and BASES[ours.base].one_view
    return ours.base if ours is not None and fixed else algorithm


def one_view(algorithm: str) -> bool:
    """Whether an algorithm under a name of its own learns the pseudo-label on the view that made it.

    Args:
        algorithm: name as in the setting `algorithm`.
    """
    return served_as(algorithm) != algorithm


def declared_by(extension: str) -> tuple[str, ...]:
    """Algorithms that have an extension without being asked.

    Args:
        extension: its name.
    """
    return tuple(name for name, one in ALGORITHMS.items() if extension in one.extensions)


def bases_with_threshold() -> tuple[str, ...]:
    """Bases on which an extension that needs a threshold goes."""
    return tuple(name for name, base in BASES.items() if base.has_threshold)


def parts_of(algorithm: str, extensions: tuple[str, ...]) -> tuple[str, ...]:
    """Extensions that a run has, the algorithm's own and those asked for, in one fixed order.

    Args:
        algorithm: name as in the setting `algorithm`.
        extensions: names as in the setting `extensions`.
    """
    own = ALGORITHMS[algorithm].extensions if algorithm in ALGORITHMS else ()
    return tuple(name for name in EXTENSIONS if name in (*own, *extensions))
