"""The strict, closed model that every group of settings is built on.

Strict: "abc" or 1.5 is no int, "yes" is no bool, True is no number; an int is accepted for a float.
A model is frozen: make a changed one with `load_settings(settings.model_dump(), {"seed": 1})`,
which checks it again (pydantic's `model_copy(update=...)` does not).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from usb_ext.settings.kinds import is_nullable

BLANKS = ("None", "")
"""Texts that stand for None: YAML reads `gpu: None` as text, and USB writes `''` for no path."""


class SettingsGroup(BaseModel):
    """Settings that belong together; `heading` is their title on the help page."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )

    heading: ClassVar[str] = ""
    part_of: ClassVar[str] = ""
    """The extension whose options these are; its switch, a setting of its own name, is none of them."""

    @model_validator(mode="before")
    @classmethod
    def _read_blanks(cls, raw: Any) -> Any:
        """Turn the texts in BLANKS into None where None is a value; leave the rest to the types."""
        return cls.without_blanks(raw) if isinstance(raw, Mapping) else raw

    @classmethod
    def without_blanks(cls, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The same settings with None for each blank text, where None is a value.

        Args:
            raw: values by name, as a YAML file or the command line gives them; unknown names stay.
        """
        return {name: None if cls._is_blank(name, value) else value for name, value in raw.items()}

    @classmethod
    def _is_blank(cls, name: str, value: object) -> bool:
        """Whether a value is a text for None and the setting may be None."""
        if not (isinstance(value, str) and value in BLANKS) or name not in cls.model_fields:
            return False
        return is_nullable(cls.model_fields[name].annotation)
