"""Settings that contradict each other: found before any work, each with its value and a remedy.

A rule takes the settings and yields one sentence for each contradiction. Rules about algorithms,
bases and extensions are in `part_rules.py`.

Contradictions between an algorithm, its base and its extensions, each with a remedy.

Our step (`algorithms/weak_strong.py`) carries bases and extensions; of USB's classes those of the bases
carry Grad-ReLU, which needs no place in the step.
An ablation (LayerMatch, Table 4) takes a part away from an algorithm that has it; a part is put
on another algorithm by `extensions`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from usb_ext.core.errors import SettingsError
from usb_ext.settings.data import (
    text_contradictions,
    toy_contradictions,
    without_test_contradictions,
)
from usb_ext.settings.influence import influence_contradictions
from usb_ext.settings.names import (
    BASES,
    CARRIERS,
    CHOOSE_BASE,
    EXTENSIONS,
    FIXED_BASE,
    NEEDS_CAT,
    NO_UNLABELLED_LOSS,
    ON_USB,
    ONE_BATCH,
    OURS_ALONE,
    declared_by,
    has_own_split,
    parts_of,
)
from usb_ext.settings.smooth import smooth_contradictions
from usb_ext.settings.usb_options import imbalance_contradictions

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


SWITCHES = tuple(EXTENSIONS)
"""Extensions that a setting of their own name can take away: ours, not those a user adds later."""


def part_contradictions(settings: "Settings") -> Iterator[str]:
    """The sentences of every rule in this file.

    Args:
        settings: a model whose single values are already valid.
    """
    for rule in (_base, _extensions, _switches, _usb_step, _mean, _prior, _consistency):
        yield from rule(settings)


def _base(s: "Settings") -> Iterator[str]:
    own = FIXED_BASE.get(s.algorithm, s.algorithm)
    if s.base is None or s.algorithm in CHOOSE_BASE or s.base == own:
        return
    yield (
        f"base is {s.base} but algorithm {s.algorithm} has its own rule; leave base out, or use "
        f"algorithm: {' or '.join(CHOOSE_BASE)}"
    )


def _extensions(s: "Settings") -> Iterator[str]:
    if not s.extensions:
        return
    asked = f"extensions is [{', '.join(s.extensions)}]"
    if s.algorithm not in CARRIERS:
        yield (
            f"{asked} but algorithm {s.algorithm} cannot carry any, {_why_not(s.algorithm)}; these "
            f"can: {', '.join(CARRIERS)}"
        )
    elif s.step == "usb":
        yield from _on_usb(s, asked)


def _why_not(algorithm: str) -> str:
    if algorithm in NO_UNLABELLED_LOSS:
        return "it has no unlabelled loss"
    return "its step is not that of a weak/strong method"


def _on_usb(s: "Settings", asked: str) -> Iterator[str]:
    """USB's own class of a base: Grad-ReLU in the one batch of `use_cat`, and nothing else."""
    if not set(s.extensions) <= set(ON_USB):
        yield (
            f"{asked} but step: usb runs USB's own class, whose step has no place for more than "
            f"{', '.join(ON_USB)}; use step: ours"
        )
    elif s.imb_algorithm is not None:
        yield (
            f"{asked} but imb_algorithm {s.imb_algorithm} changes the batches of USB's own class; "
            "use step: ours, or leave imb_algorithm out"
        )
    elif s.algorithm not in ONE_BATCH:
        yield (
            f"{asked} and step: usb but USB's own class of {s.algorithm} sends labelled and unlabelled "
            "rows through the network apart, where grad_relu cannot tell them; use step: ours"
        )
    elif not s.use_cat:
        yield f"{asked} and step: usb but use_cat is False: {NEEDS_CAT}"


def _switches(s: "Settings") -> Iterator[str]:
    """A setting of an extension's name switches a part of an algorithm that has it."""
    parts = parts_of(s.algorithm, s.extensions)
    for name in SWITCHES:
        value = getattr(s, name)
        if value is None or name in parts:
            continue
        homes = " or ".join(declared_by(name))
        remedy = f"extensions: [{name}]" if s.algorithm in CARRIERS else f"algorithm: {homes}"
        yield (
            f"{name} is {value} but algorithm {s.algorithm} has no such part to switch; leave it "
            f"out, or use {remedy} to have it"
        )


def _usb_step(s: "Settings") -> Iterator[str]:
    if s.step == "usb" and s.algorithm in (*CHOOSE_BASE, *FIXED_BASE, *OURS_ALONE):
        yield (
            f"step: usb needs an algorithm of USB's, but {s.algorithm} is ours; use step: ours, or "
            f"algorithm: one of {', '.join(b for b in BASES if b not in OURS_ALONE)}"
        )


def _mean(s: "Settings") -> Iterator[str]:
    if s.ulb_loss_mean == "batch":
        return
    if s.step == "usb" or s.algorithm not in CARRIERS:
        yield (
            f"ulb_loss_mean is {s.ulb_loss_mean} but USB's own class of {s.algorithm} always "
            "divides by the batch; use ulb_loss_mean: batch, or a base with step: ours"
        )


def _prior(s: "Settings") -> Iterator[str]:
    if s.prior_file is None and "prior_label" in s.active_extensions:
        yield (
            "prior_label needs prior_file, the prior.npz that `usb-ext propagate` writes; or use "
            "prior_label: False to run without prior pseudo-labels"
        )


def _consistency(s: "Settings") -> Iterator[str]:
    if s.consistency_features is not None and (s.step == "usb" or s.algorithm not in CARRIERS):
        yield (
            f"consistency_features is {s.consistency_features!r} but USB's own class of {s.algorithm} "
            "does not show its pseudo-labels; leave it out, or use a base with step: ours"
        )


def check(settings: "Settings") -> None:
    """Raise one error that names every contradiction.

    Args:
        settings: a model whose single values are already valid.

    Raises:
        SettingsError: with the sentences, joined by semicolons.
    """
    if found := contradictions(settings):
        raise SettingsError("; ".join(found))


def contradictions(settings: "Settings") -> list[str]:
    """All sentences of all rules; empty if nothing contradicts.

    Args:
        settings: a model whose single values are already valid.
    """
    rules = (
        _processes,
        _schedule,
        _network,
        _label_file,
        _class_list,
        _labelled,
        _unlabelled,
        imbalance_contradictions,
        without_test_contradictions,
        toy_contradictions,
        text_contradictions,
        part_contradictions,
        smooth_contradictions,
        influence_contradictions,
    )
    return [sentence for rule in rules for sentence in rule(settings)]


def _processes(s: "Settings") -> Iterator[str]:
    if s.world_size > 1 or s.rank > 0:
        yield (
            f"world_size is {s.world_size} and rank {s.rank}, but a run uses one device for now; "
            "use world_size: 1 and rank: 0"
        )


def _schedule(s: "Settings") -> Iterator[str]:
    if s.num_train_iter % s.epoch:
        below = s.num_train_iter // s.epoch * s.epoch
        nearest = multiples_around(s.num_train_iter, s.epoch)
        yield (
            f"num_train_iter is {s.num_train_iter}, which epoch {s.epoch} does not divide (USB "
            f"would stop after {below}); use num_train_iter: {nearest}"
        )
    if s.num_warmup_iter >= s.num_train_iter:
        yield (
            f"num_warmup_iter is {s.num_warmup_iter}, not below num_train_iter "
            f"{s.num_train_iter}, so lr would never be reached; use at most {s.num_train_iter - 1}"
        )


def _network(s: "Settings") -> Iterator[str]:
    if s.net_from_name:
        yield (
            "net_from_name: True is not supported (it always fails in USB); use net_from_name: "
            "False with net: a name of USB's such as wrn_28_2, wrn_10_1, or your own as "
            "package.module:function"
        )


def _label_file(s: "Settings") -> Iterator[str]:
    if s.label_split == "file" and s.label_file is None:
        yield "label_split: file needs label_file, the list of the labelled examples"
    if s.label_split != "file" and s.label_file is not None:
        yield (
            f"label_file is {s.label_file!r} but label_split: {s.label_split} does not read it; "
            "use label_split: file, or leave label_file out"
        )


def _class_list(s: "Settings") -> Iterator[str]:
    if s.class_list is not None and s.dataset != "imagefolder":
        yield (
            f"class_list is {s.class_list!r} but dataset {s.dataset} does not read it; use "
            "dataset: imagefolder, with data_dir the folder that holds train/ and val/"
        )


def _labelled(s: "Settings") -> Iterator[str]:
    if s.lb_imb_ratio != 1 and s.label_split == "random":
        yield (
            f"lb_imb_ratio is {s.lb_imb_ratio:g} but label_split: random ignores classes; use "
            "lb_imb_ratio: 1 or label_split: per_class"
        )
    balanced = s.label_split == "per_class" and s.lb_imb_ratio == 1
    if not balanced or has_own_split(s.dataset):
        return
    if s.num_labels % s.num_classes:
        yield (
            f"num_labels is {s.num_labels}, which does not divide by num_classes {s.num_classes} "
            f"(label_split: per_class); use num_labels: "
            f"{multiples_around(s.num_labels, s.num_classes)}, or label_split: random"
        )


def _unlabelled(s: "Settings") -> Iterator[str]:
    if has_own_split(s.dataset):
        return
    if s.ulb_num_labels is None:
        if s.ulb_imb_ratio != 1:
            yield (
                f"ulb_imb_ratio is {s.ulb_imb_ratio:g} but ulb_num_labels is not set; set it to "
                "the number of unlabelled examples of the largest class, or use ulb_imb_ratio: 1"
            )
    elif s.ulb_imb_ratio == 1 and s.ulb_num_labels % s.num_classes:
        yield (
            f"ulb_num_labels is {s.ulb_num_labels}, which does not divide by num_classes "
            f"{s.num_classes}; use {multiples_around(s.ulb_num_labels, s.num_classes)}, or None "
            "for all that are left"
        )


def multiples_around(value: int, step: int) -> str:
    """The multiples of a step next to a value: "40 or 50", or "10" where the lower one is 0.

    Args:
        value: >= 1, no multiple of step.
        step: >= 1.
    """
    below = value // step * step
    return " or ".join(str(n) for n in (below, below + step) if n)
