"""Kinds of numbers that settings are made of, each with its range.

A range stands here once and is read by pydantic (to check), by the help page and by the error
messages (to say what is allowed). Infinities and NaN are refused everywhere
(`base.SettingsGroup`).
"""

from typing import Annotated, TypeAlias

from pydantic import Field

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

Scalar: TypeAlias = bool | int | float | str
"""Any single value: for keys that are accepted and read by nothing."""
