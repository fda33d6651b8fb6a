"""Kinds of numbers that settings are made of, and what a declared setting accepts, read from its type.

A range stands here once and is read by pydantic (to check), by the help page and by the error messages (to
say what is allowed). Infinities and NaN are refused everywhere (`group.SettingsGroup`).
"""

import os
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo


def members(annotation: object) -> frozenset[object]:
    """The plain types that an annotation allows.

    Args:
        annotation: a type, `X | None`, `Annotated[...]`, `Literal[...]` or `tuple[X, ...]`.

    Returns:
        Their set; `Literal` stands for a closed choice, `tuple` for a list, NoneType for None.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return frozenset().union(*(members(part) for part in get_args(annotation)))
    if origin in (Literal, tuple):
        return frozenset((origin,))
    return frozenset((annotation,))


def is_nullable(annotation: object) -> bool:
    """Whether None is a value of the setting."""
    return type(None) in members(annotation)


def is_switch(annotation: object) -> bool:
    """Whether the setting is a boolean, whose flag may stand alone."""
    return members(annotation) - {type(None)} == {bool}


def is_list(annotation: object) -> bool:
    """Whether the setting takes several values."""
    return tuple in members(annotation)


def is_text(annotation: object) -> bool:
    """Whether the setting is free text, which is taken as it stands (`--save_name 007`)."""
    return members(annotation) - {type(None)} == {str}


def is_path(field: FieldInfo) -> bool:
    """Whether a setting is a `FilePath`, or None.

    Args:
        field: as pydantic declares it.
    """
    marks = list(field.metadata)
    for part in get_args(field.annotation):
        marks += getattr(part, "__metadata__", ())
    return any(getattr(mark, "func", None) is os.path.expanduser for mark in marks)


def allowed(schema: Mapping[str, Any]) -> str:
    """In words, what a setting accepts.

    Args:
        schema: the setting's JSON schema, as pydantic writes it.

    Returns:
        Such as "a whole number of at least 1, or None".
    """
    parts = schema.get("anyOf", [schema])
    words = [_phrase(part) for part in parts if part.get("type") != "null"]
    text = " or ".join(dict.fromkeys(words))
    return text + ", or None" if len(words) < len(parts) else text


_TYPES = {
    "integer": "a whole number",
    "number": "a finite number",
    "boolean": "True or False",
    "string": "text",
}


def _phrase(schema: Mapping[str, Any]) -> str:
    """One alternative of a schema in words."""
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return "a list, each " + _phrase(schema["items"])
    return _TYPES[schema["type"]] + _bounds(schema)


_BOUNDS = {
    "minimum": "of at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "of at most {}",
    "exclusiveMaximum": "below {}",
}


def _bounds(schema: Mapping[str, Any]) -> str:
    """The range of a number in words, with a space in front, or nothing."""
    said = [form.format(_plain(schema[key])) for key, form in _BOUNDS.items() if key in schema]
    if schema.get("minLength"):
        said.append("that is not empty")
    return " " + " and ".join(said) if said else ""


def _plain(bound: float) -> str:
    """A bound without a decimal point where it is whole."""
    return str(int(bound)) if bound == int(bound) else str(bound)


Count: TypeAlias = Annotated[int, Field(ge=1)]
"""A number of things or of steps, at least 1."""

Whole: TypeAlias = Annotated[int, Field(ge=0)]
"""A number of things that may be 0."""

Seed: TypeAlias = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A seed that NumPy's and torch's generators both take: 32 bits without sign."""

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
"""A probability, a confidence or a momentum, in [0, 1]."""

Decay: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
"""A momentum that must let something new in, in [0, 1)."""

Ratio: TypeAlias = Annotated[float, Field(gt=0, le=1)]
"""A factor in (0, 1]; 1 changes nothing."""

Positive: TypeAlias = Annotated[float, Field(gt=0)]
"""A number above 0."""

NonNegative: TypeAlias = Annotated[float, Field(ge=0)]
"""A weight or a rate, 0 switches it off."""

Text: TypeAlias = Annotated[str, Field(min_length=1)]
"""A name or a path; never empty."""

FilePath: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]
"""A file or folder of the user's; `~` is the home folder, as in a shell. A URL stays as it is."""

Scalar: TypeAlias = bool | int | float | str
"""Any single value: for keys that are accepted and read by nothing."""


def multiples_around(value: int, step: int) -> str:
    """The multiples of a step next to a value: "40 or 50", or "10" where the lower one is 0.

    Args:
        value: >= 1, no multiple of step.
        step: >= 1.
    """
    below = value // step * step
    return " or ".join(str(n) for n in (below, below + step) if n)
