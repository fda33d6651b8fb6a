"""Settings in words: one readable line for everything that is wrong, and the help page by group."""

import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from textwrap import wrap
from typing import Any

from pydantic import ValidationError

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import is_text
from usb_ext.settings.model import DEAD, GROUPS, Settings, allowed_values


class _Short(reprlib.Repr):
    """Never walks through all of a value, which may refer to itself a billion times."""

    def repr_int(self, x: int, level: int) -> str:
        """A number, or how long it is: Python refuses to write one of more than 4,300 digits."""
        return repr(x) if x.bit_length() < 256 else f"a whole number of {x.bit_length()} bits"


_SHORT = _Short()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = (
    2,
    8,
    100,
    60,
    100,
)

OTHER_NAMES = {
    "use_amp": "amp",
    "learning_rate": "lr",
    "temperature": "T",
    "threshold": "p_cutoff",
    "optimizer": "optim",
    "model": "net",
    "iterations": "num_train_iter",
    "name": "save_name",
}
"""Names that people give to settings, where the spelling does not lead to them."""


def describe(error: ValidationError, given: Mapping[str, object]) -> str:
    """Each wrong setting in its own clause: name, value got, what is allowed.

    Args:
        error: what pydantic found.
        given: the values by name, as they were given.
    """
    clauses: dict[str, str] = {}
    for item in error.errors():
        name = str(item["loc"][0])
        clauses.setdefault(name, _clause(name, item, given))
    return "; ".join(clauses[name] for name in given if name in clauses)


def unknown(name: str) -> str:
    """The clause for a name that no setting has, with the nearest one that there is.

    Args:
        name: as it was written.
    """
    near = nearest(name)
    hint = (
        f"did you mean {near}?"
        if near
        else "see `usb-ext settings WORD`, or train --help-all for all"
    )
    return f"unknown setting {name}: {hint}"


def nearest(name: str) -> str | None:
    """The setting that is spelled most like a name, if any is near.

    Args:
        name: as it was written; case and dashes are not looked at.
    """
    plain = name.replace("-", "_").lower()
    if plain in OTHER_NAMES:
        return OTHER_NAMES[plain]
    by_plain = {known.lower(): known for known in Settings.model_fields if known not in DEAD}
    match = get_close_matches(plain, list(by_plain), n=1)
    return by_plain[match[0]] if match else None


def shown(value: object) -> str:
    """A value as it is quoted in a message: its repr and type, cut to 60 characters.

    Args:
        value: anything.
    """
    text = _SHORT.repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return text if value is None else f"{text} ({type(value).__name__})"


def _clause(name: str, item: Any, given: Mapping[str, object]) -> str:
    """One wrong setting: an unknown name, our own check, or a type or range."""
    if item["type"] == "extra_forbidden":
        return unknown(name)
    if item["type"] == "value_error":
        want = str(item["ctx"]["error"])
    else:
        want = allowed_values(name)
    return f"{name}: got {shown(given.get(name))}, allowed: {want}"


WIDTH = 100
_INDENT = " " * 8


def help_text() -> str:
    """All settings by group: flag, what is allowed, default, description.

    Returns:
        Lines of at most 100 characters, ending with a newline.
    """
    return "\n".join(_group_text(group) for group in GROUPS)


MOST_USED: tuple[str, ...] = tuple(
    "algorithm extensions dataset data_dir num_labels label_file num_classes net pretrain_path "
    "num_train_iter batch_size uratio lr seed device amp save_dir save_name resume overwrite".split()
)
"""What the first help page lists: a method, data, a network, how long, and where to."""


def first_help(command: str) -> str:
    """One page: how a command is called, the settings that most runs name, and where the others are.

    Args:
        command: its name.
    """
    lines = [
        f"usage: usb-ext {command} [--c FILE] [--NAME VALUE ...]",
        "",
        "FILE is a settings file, or a name of `usb-ext configs`; a flag wins over the file. Most used:",
        "",
    ]
    for name in MOST_USED:
        field = Settings.model_fields[name]
        first = re.split(r"[:;.] | \(", field.description or "")[0].rstrip(".")
        text = f"--{name}".ljust(18) + f"{first} ({_default(field.default)})"
        lines += wrap(text, WIDTH, initial_indent="  ", subsequent_indent=" " * 20)
    return "\n".join(
        [
            *lines,
            "",
            f"all {len(Settings.model_fields)}: `usb-ext {command} --help-all`; those about something: "
            "`usb-ext settings WORD`;",
            "methods: `usb-ext algorithms`; whether a file is right: `usb-ext check-config FILE`",
            "",
        ]
    )


def help_about(words: Sequence[str]) -> str:
    """The settings whose name, heading or description holds every one of some words, by group.

    Args:
        words: in any case; dashes count as underscores in names.

    Returns:
        Lines of at most 100 characters, ending with a newline; empty where there is none.
    """
    asked = [word.lower() for word in words]

    def meant(group: type[SettingsGroup], name: str) -> bool:
        text = f"{name} {group.heading} {group.model_fields[name].description}".lower()
        return all(word in text or word.strip("-").replace("-", "_") in text for word in asked)

    found = {group: [n for n in group.model_fields if meant(group, n)] for group in GROUPS}
    return "\n".join(_group_text(group, names) for group, names in found.items() if names)


def _default(value: object) -> str:
    return "no default" if value is None else f"default: {value if value != () else 'none'}"


def _group_text(group: type[SettingsGroup], names: Iterable[str] | None = None) -> str:
    """One group under its heading, or some of it."""
    lines = [f"{group.heading}:"]
    for name in group.model_fields if names is None else names:
        lines += _setting_lines(group, name)
    return "\n".join(lines) + "\n"


def _setting_lines(group: type[SettingsGroup], name: str) -> list[str]:
    """A setting's flag and default, then what it is and what it takes."""
    field = group.model_fields[name]
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    free = is_text(field.annotation) and field.json_schema_extra is None
    takes = "" if free else f" Takes {allowed_values(name)}."
    text = f"{field.description}{takes}"
    body = wrap(text, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [f"    --{name}  (default: {default})", *body]
