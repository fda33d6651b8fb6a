"""The settings by group, each with its default and description, for `usb-ext train --help`."""

from textwrap import wrap

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import is_text
from usb_ext.settings.model import GROUPS, allowed_values

WIDTH = 100
_INDENT = " " * 8


def help_text() -> str:
    """All settings by group: flag, what is allowed, default, description.

    Returns:
        Lines of at most 100 characters, ending with a newline.
    """
    return "\n".join(_group_text(group) for group in GROUPS)


def _group_text(group: type[SettingsGroup]) -> str:
    """One group under its heading."""
    lines = [f"{group.heading}:"]
    for name in group.model_fields:
        lines += _setting_lines(group, name)
    return "\n".join(lines) + "\n"


def _setting_lines(group: type[SettingsGroup], name: str) -> list[str]:
    """A setting's flag and default, then what it is and what it takes."""
    field = group.model_fields[name]
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    takes = "" if is_text(field.annotation) else f" Takes {allowed_values(name)}."
    text = f"{field.description}{takes}"
    body = wrap(text, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [f"    --{name}  (default: {default})", *body]
