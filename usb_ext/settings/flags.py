"""Any setting as a flag of the command line: `--name value` or `--name=value`.

Values follow the rules of the YAML files (5e-05, True, None, [a, b]), except free text, which is
taken as it stands. A switch may stand alone. Names are written in full, with underscores or
dashes; the short names are those of USB's own command line.
"""

import argparse
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from usb_ext.core.errors import SettingsError
from usb_ext.settings.kinds import is_list, is_switch, is_text
from usb_ext.settings.model import Settings, allowed_values
from usb_ext.settings.sources import read_scalar
from usb_ext.settings.words import nearest

CONFIG = "config"
SHORT = {
    "-c": CONFIG,
    "--c": CONFIG,
    "-alg": "algorithm",
    "-imb_alg": "imb_algorithm",
    "-ds": "dataset",
    "-nc": "num_classes",
    "-nl": "num_labels",
    "-bsz": "batch_size",
    "-sn": "save_name",
    "-o": "overwrite",
    "-du": "dist_url",
}
_NEGATIVE = re.compile(r"-\.?\d|-\.inf")


def parse_flags(argv: Sequence[str]) -> tuple[str | None, dict[str, object]]:
    """The configuration file and the settings that the command line gives.

    Types and ranges are checked when the settings are made, by `load_settings`.

    Args:
        argv: words after the command's name.

    Returns:
        The file or shipped name after `--c` or `--config` (None without it), and the values by name.

    Raises:
        SettingsError: an unknown flag, one without a value or twice, or a word of no flag.
    """
    config: str | None = None
    settings: dict[str, object] = {}
    seen: set[str] = set()
    for flag, words in _flags_with_words(argv):
        name = _name_of(flag)
        if name in seen:
            raise SettingsError(f"{flag}: {name} is given twice; give it once")
        seen.add(name)
        if name == CONFIG:
            config = _one(flag, words, "the path of a YAML file, or a name of `usb-ext configs`")
        else:
            settings[name] = _value(flag, name, words)
    return config, settings


class _Kept(argparse.Action):
    """Keeps the words of a flag as they were typed, in their order."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        words: list[str] = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*words, str(option_string), *values])


def add_setting_flags(parser: Any, but: Collection[str] = ()) -> None:
    """Make every setting a flag of a parser that has others, too; without a line of help.

    Args:
        parser: an `argparse.ArgumentParser`.
        but: settings that are no flag there.
    """
    for name in Settings.model_fields:
        if name not in but:
            spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
            parser.add_argument(
                *spellings,
                nargs="*",
                action=_Kept,
                dest="setting_words",
                default=[],
                help=argparse.SUPPRESS,
            )


def settings_given(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that the flags of `add_setting_flags` give, in the order of the command line.

    Args:
        arguments: parsed.

    Raises:
        SettingsError: as in `parse_flags`.
    """
    return parse_flags(arguments.setting_words)[1]


def _flags_with_words(argv: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each flag with the words up to the next one."""
    current: tuple[str, list[str]] | None = None
    for word in argv:
        if word.startswith("-") and word != "-" and not _NEGATIVE.match(word):
            if current:
                yield current
            flag, equals, value = word.partition("=")
            current = (flag, [value] if equals else [])
        elif current is None:
            raise SettingsError(f"{word!r} belongs to no flag; write --name {word}")
        else:
            current[1].append(word)
    if current:
        yield current


def _name_of(flag: str) -> str:
    """The setting that a flag names, or CONFIG."""
    if flag in SHORT:
        return SHORT[flag]
    name = flag[2:].replace("-", "_")
    if flag.startswith("--") and (name == CONFIG or name in Settings.model_fields):
        return name
    near = nearest(flag.lstrip("-"))
    hint = (
        f"did you mean --{near}?"
        if near
        else "see `usb-ext settings WORD`, or train --help-all for all"
    )
    raise SettingsError(f"unknown flag {flag}: {hint}")


def _value(flag: str, name: str, words: list[str]) -> object:
    """The value of a setting from the words after its flag."""
    annotation = Settings.model_fields[name].annotation
    if not words and is_switch(annotation):
        return True
    if words and is_list(annotation):
        return _items(words)
    text = _one(flag, words, allowed_values(name))
    return text if is_text(annotation) else read_scalar(text)


def _one(flag: str, words: list[str], want: str) -> str:
    """The only word after a flag."""
    if not words:
        raise SettingsError(f"{flag} needs a value: {want}")
    if len(words) > 1:
        raise SettingsError(f"{words[1]!r} belongs to no flag; {flag} takes one value: {want}")
    return words[0]


def _items(words: list[str]) -> list[object]:
    """A list as `[a, b]`, `a,b` or `a b`."""
    text = " ".join(words)
    if text.startswith("["):
        value = read_scalar(text)
        return value if isinstance(value, list) else [value]
    return [read_scalar(part) for part in re.split(r"[,\s]+", text) if part]
