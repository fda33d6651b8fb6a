"""Contradictions between an algorithm, its base and its extensions, each with a remedy.

Our step (`algorithms/weak_strong.py`) carries bases and extensions; of USB's classes those of the bases
carry Grad-ReLU, which needs no place in the step.
An ablation (LayerMatch, Table 4) takes a part away from an algorithm that has it; a part is put
on another algorithm by `extensions`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

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
    parts_of,
)

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
