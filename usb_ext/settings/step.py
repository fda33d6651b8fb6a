"""Settings of our own step, a base and extensions on it, and what contradicts what.

Our step (`methods/step/`) carries bases and extensions; of USB's classes those of the bases carry
Grad-ReLU, which needs no place in the step. An ablation (LayerMatch, Table 4) takes a part away from an
algorithm that has it; a part is put on another algorithm by `extensions`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.settings.algorithms import (
    ALGORITHMS,
    BASES,
    EXTENSIONS,
    NO_UNLABELLED_LOSS,
    base_of,
    carriers,
    declared_by,
    parts_of,
    takes_any_base,
)
from usb_ext.settings.group import SettingsGroup

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

NEEDS_CAT = (
    "USB's own class then sends labelled and unlabelled rows through the network apart, where grad_relu "
    "cannot tell them; use use_cat: True, or step: ours, which works without"
)
"""Why Grad-ReLU on USB's own classes needs `use_cat`."""


def _name_bases(schema: dict[str, Any]) -> None:
    """Name the known bases in messages and on the help page."""
    schema["anyOf"] = [{"enum": list(BASES)}, {"type": "null"}]


def _name_extensions(schema: dict[str, Any]) -> None:
    """Name the known extensions in messages and on the help page."""
    schema["items"] = {"enum": list(EXTENSIONS)}


class StepSettings(SettingsGroup):
    """What the one `train_step` is made of."""

    heading: ClassVar[str] = "Bases and extensions"

    base: str | None = Field(
        default=None,
        description="How weights and targets are made, for algorithms that take any base; None is the "
        "algorithm's own: freematch for layermatch, fixmatch for weak_strong.",
        json_schema_extra=_name_bases,
    )
    extensions: tuple[str, ...] = Field(
        default=(),
        description="What to put on a base: grad_relu (LayerMatch, Sec. 4.2.1), avg_clustering "
        "(LayerMatch, Eq. 8), both of which layermatch has already; smooth_weight (Smooth "
        "Pseudo-Labeling, Eq. 13); influence (Ren et al.); prior_label (AS3L, Eq. 5).",
        json_schema_extra=_name_extensions,
    )
    ulb_loss_mean: Literal["batch", "selected"] = Field(
        default="batch",
        description="What the unlabelled loss is divided by: the whole batch, as USB does, or the "
        "selected examples, as LayerMatch, Eqs. 2 and 8, write it.",
    )
    step: Literal["ours", "usb"] = Field(
        default="ours",
        description="For the bases: our step, or USB's own class of that name, which can carry "
        "grad_relu (with use_cat).",
    )

    @field_validator("base")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in BASES:
            raise ValueError(f"one of {', '.join(BASES)}, or None")
        return value

    @field_validator("extensions", mode="before")
    @classmethod
    def _read_list(cls, value: object) -> object:
        """A YAML list; the model itself holds a tuple."""
        return tuple(value) if isinstance(value, list) else value

    @field_validator("extensions")
    @classmethod
    def _known_and_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Known names, none twice; one fixed order, so that the same set is the same setting."""
        if not set(value) <= set(EXTENSIONS):
            raise ValueError(f"a list of {', '.join(EXTENSIONS)}")
        if len(set(value)) < len(value):
            raise ValueError("each extension at most once")
        return tuple(sorted(value, key=list(EXTENSIONS).index))


def step_contradictions(settings: "Settings") -> Iterator[str]:
    """The sentences of every rule in this file.

    Args:
        settings: a model whose single values are already valid.
    """
    for rule in (_base, _extensions, _switches, _usb_step, _mean):
        yield from rule(settings)


def _base(s: "Settings") -> Iterator[str]:
    choose = takes_any_base()
    if s.base is None or s.algorithm in choose or s.base == base_of(s.algorithm):
        return
    yield (
        f"base is {s.base} but algorithm {s.algorithm} has its own rule; leave base out, or use "
        f"algorithm: {' or '.join(choose)}"
    )


def _extensions(s: "Settings") -> Iterator[str]:
    if not s.extensions:
        return
    asked = f"extensions is [{', '.join(s.extensions)}]"
    if s.algorithm not in carriers():
        yield (
            f"{asked} but algorithm {s.algorithm} cannot carry any, {_why_not(s.algorithm)}; these "
            f"can: {', '.join(carriers())}"
        )
    elif s.step == "usb":
        yield from _on_usb(s, asked)


def _why_not(algorithm: str) -> str:
    if algorithm in NO_UNLABELLED_LOSS:
        return "it has no unlabelled loss"
    return "its step is not that of a weak/strong method"


def _on_usb(s: "Settings", asked: str) -> Iterator[str]:
    """USB's own class of a base: Grad-ReLU in the one batch of `use_cat`, and nothing else."""
    on_usb = [name for name, extension in EXTENSIONS.items() if extension.on_usb]
    if not set(s.extensions) <= set(on_usb):
        yield (
            f"{asked} but step: usb runs USB's own class, whose step has no place for more than "
            f"{', '.join(on_usb)}; use step: ours"
        )
    elif s.imb_algorithm is not None:
        yield (
            f"{asked} but imb_algorithm {s.imb_algorithm} changes the batches of USB's own class; "
            "use step: ours, or leave imb_algorithm out"
        )
    elif s.algorithm in BASES and not BASES[s.algorithm].one_batch:
        yield (
            f"{asked} and step: usb but USB's own class of {s.algorithm} sends labelled and unlabelled "
            "rows through the network apart, where grad_relu cannot tell them; use step: ours"
        )
    elif not s.use_cat:
        yield f"{asked} and step: usb but use_cat is False: {NEEDS_CAT}"


def _switches(s: "Settings") -> Iterator[str]:
    """A setting of an extension's name switches a part of an algorithm that has it."""
    parts = parts_of(s.algorithm, s.extensions)
    for name in EXTENSIONS:
        value = getattr(s, name, None)  # a user's extension has no setting of its own
        if value is None or name in parts:
            continue
        homes = " or ".join(declared_by(name))
        remedy = f"extensions: [{name}]" if s.algorithm in carriers() else f"algorithm: {homes}"
        yield (
            f"{name} is {value} but algorithm {s.algorithm} has no such part to switch; leave it "
            f"out, or use {remedy} to have it"
        )


def _usb_step(s: "Settings") -> Iterator[str]:
    ours = [*ALGORITHMS, *(name for name, base in BASES.items() if not base.in_usb)]
    if s.step == "usb" and s.algorithm in ours:
        yield (
            f"step: usb needs an algorithm of USB's, but {s.algorithm} is ours; use step: ours, or "
            f"algorithm: one of {', '.join(name for name in BASES if name not in ours)}"
        )


def _mean(s: "Settings") -> Iterator[str]:
    if s.ulb_loss_mean == "batch":
        return
    if s.step == "usb" or s.algorithm not in carriers():
        yield (
            f"ulb_loss_mean is {s.ulb_loss_mean} but USB's own class of {s.algorithm} always "
            "divides by the batch; use ulb_loss_mean: batch, or a base with step: ours"
        )
