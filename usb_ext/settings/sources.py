"""Where settings come from: defaults < YAML < command line, and the recipe of another method between the two.

(In USB the file comes last, so that a flag is silently undone by it.)

YAML by ruamel's safe reader, YAML 1.2, with errors of one line.

`5e-05` is a number (PyYAML makes it text), a tag is an error and runs nothing, and so is a key that
stands twice.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from usb_ext.core.errors import SettingsError
from usb_ext.settings.change import TEACHERS, settle
from usb_ext.settings.group import BLANKS
from usb_ext.settings.model import DEAD, Settings
from usb_ext.settings.names import save_tag
from usb_ext.settings.plugin import PLUGIN, found_plugin, import_plugin
from usb_ext.settings.shipped import remedy, settings_file
from usb_ext.settings.words import describe, shown


def read_yaml(path: str | Path) -> dict[str, object]:
    """The mapping in a YAML file, values as ruamel's safe reader gives them.

    Args:
        path: a file in UTF-8.

    Raises:
        SettingsError: one line with the file, and the line number where there is one.
    """
    try:
        text = _text_of(path)
        _refuse_depth(text)
        content = _parser().load(text)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: {error.strerror}{remedy(path)}") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise SettingsError(f"{path}{_place(error)}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: got {shown(content)}, allowed: lines of `name: value`")
    return named(content, str(path))


UNREADABLE = (
    YAMLError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What ruamel raises on what is no YAML, or holds a value that is none of its type (`!!bool maybe`)."""

LARGEST_FILE = 2**20
LISTS = 1
"""Levels of lists that a setting's value may have."""


def _text_of(path: str | Path) -> str:
    """The text of a settings file, also of one that is no regular file, such as `<(...)`.

    Raises:
        ValueError: it is far too long, or no UTF-8.
    """
    with Path(path).open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"larger than {LARGEST_FILE} bytes, so it is no file of settings")
    return content.decode("utf-8-sig")


def _refuse_depth(text: str) -> None:
    """Refuse what is nested deeper than a list in a mapping, before it is built.

    Settings are flat; references to references within lists can stand for more than any memory holds.

    Raises:
        ValueError: with the line.
        YAMLError: it is no YAML.
    """
    depth, aliases = 0, 0
    for event in _parser().parse(text):
        aliases += isinstance(event, AliasEvent) and depth > 1
        if isinstance(event, SequenceStartEvent | MappingStartEvent):
            depth += 1
        elif isinstance(event, SequenceEndEvent | MappingEndEvent):
            depth -= 1
        if depth > 1 + LISTS or aliases:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ValueError(
                f"line {line}: nested values; allowed: lines of `name: value`, with a plain value or a list"
            )


def read_scalar(text: str) -> object:
    """One value by the rules of the YAML files; text that is no YAML value stays text.

    Args:
        text: such as "5e-05", "True", "None" or "[a, b]".
    """
    try:
        _refuse_depth(text)
        value: object = _parser().load(text)
    except UNREADABLE:
        return text
    return value if value is None or isinstance(value, bool | int | float | str | list) else text


def named(content: Mapping[Any, object], where: str) -> dict[str, object]:
    """A copy, if every key is text.

    Args:
        content: what a file or a caller holds.
        where: its name, for the message.

    Raises:
        SettingsError: a key that is no text.
    """
    for key in content:
        if not isinstance(key, str):
            raise SettingsError(f"{where}: got the key {shown(key)}, allowed: names of settings")
    return dict(content)


def _parser() -> YAML:
    """A reader that makes plain values only."""
    return YAML(typ="safe", pure=True)


def _place(error: Exception) -> str:
    """Line and cause of a YAML error, without its picture of the text."""
    if isinstance(error, KeyError):
        return f": {error.args[0]!r} is no value of its type"
    if not isinstance(error, MarkedYAMLError):
        return f": {(str(error).splitlines() or [type(error).__name__])[0]}"
    line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
    return f"{line}: {error.problem or error.context}"


__all__ = ["LoadedSettings", "load_settings", "read_yaml"]


@dataclass(frozen=True)
class LoadedSettings:
    """Settings and what is to be said about them.

    Args:
        settings: checked, free of contradictions.
        warnings: one sentence each, for the log.
        given: names that the file or the overrides set; the others are at their default.
        ordered: those of them that the overrides set, as the command line does.
    """

    settings: Settings
    warnings: tuple[str, ...]
    given: frozenset[str]
    ordered: frozenset[str] = frozenset()


def load_settings(
    source: str | Path | Mapping[str, object] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> LoadedSettings:
    """Settings from a YAML file (or a mapping such as one) and overrides, checked.

    Args:
        source: path of a YAML file, name of one that comes with the package, its content as a mapping,
            or None for the defaults alone.
        overrides: values that win over the source, as the command line gives them. Where they name another
            method than the source, its published settings take the place of the source's (`change.py`).

    Raises:
        SettingsError: the file cannot be read, or a name, a value or a combination is wrong.
    """
    base = _content(source)
    flags = dict(overrides or {})
    _settle_plugin(base, flags, source)
    warnings = _settle_overwrite(base, flags)
    base = settle(base, flags)
    merged = {**base, **flags}
    if ":" in str(flags.get("net", "")):
        _import_from(
            *([] if source is None or isinstance(source, Mapping) else [Path(source).parent])
        )
    warnings += _settle_paths(merged, flags)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(describe(error, merged)) from error
    if settings.save_name is None and "save_tag" not in flags:
        tag = save_tag(settings, base, flags)
        settings = Settings.model_validate({**merged, "save_tag": tag})
    warnings += _without_effect(settings)
    return LoadedSettings(settings, tuple(warnings), frozenset(merged), frozenset(flags))


def _content(source: str | Path | Mapping[str, object] | None) -> dict[str, object]:
    """The source's settings, in a dict of our own."""
    if source is None:
        return {}
    if isinstance(source, Mapping):
        return named(source, "settings")
    file = settings_file(source)
    content = read_yaml(file)
    if ":" in str(content.get("net", "")):
        _import_from(Path(file).resolve().parent)
    return content


def _import_from(*folders: Path) -> None:
    """Let a network of the user's be found in these folders and in the working one, after all others."""
    for folder in (*folders, Path.cwd()):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def _settle_plugin(
    base: dict[str, object],
    flags: dict[str, object],
    source: str | Path | Mapping[str, object] | None,
) -> None:
    """Import the plugin that is named, whose names the other settings may use; its path becomes absolute.

    Raises:
        SettingsError: as in `found_plugin` and `import_plugin`.
    """
    given = flags if PLUGIN in flags else base
    named = given.get(PLUGIN)
    if not isinstance(named, str) or named in BLANKS:
        return
    beside = None
    if given is base and isinstance(source, str | Path):
        beside = Path(settings_file(source)).parent
    found = found_plugin(named, beside)
    import_plugin(found)
    given[PLUGIN] = str(found)


def _settle_overwrite(base: dict[str, object], flags: Mapping[str, object]) -> list[str]:
    """Take `overwrite` out of the file's settings and say so.

    Every file of USB carries `overwrite: True`; only an explicit flag may delete a run.
    """
    asked = isinstance(base.get("overwrite"), bool) and base.pop("overwrite")
    if not asked or "overwrite" in flags:
        return []
    return [
        "overwrite: True in a file has no effect; give --overwrite on the command line to delete "
        "an earlier run"
    ]


def _settle_paths(merged: dict[str, object], flags: Mapping[str, object]) -> list[str]:
    """`pretrain_path` alone asks for its weights; a path whose switch is off is refused, or said in a file.

    Args:
        merged: all that is given; gets `use_pretrain` where it is not.
        flags: what the command line gives.

    Raises:
        SettingsError: the command line names a file that would not be read.
    """
    given = {name for name, value in merged.items() if value not in (None, *BLANKS)}
    if "pretrain_path" in given and "use_pretrain" not in given:
        merged["use_pretrain"] = True
    warnings = []
    for path, switch in (("pretrain_path", "use_pretrain"), ("load_path", "resume")):
        if path not in given or merged.get(switch, False) is not False:
            continue
        said = f"{path} is {merged[path]!r} but {switch} is False, so it is not read"
        if path in flags:
            raise SettingsError(f"{said}; add --{switch}, or leave it out")
        warnings.append(said)
    return warnings


def _without_effect(settings: Settings) -> list[str]:
    """Sentences about values that were given and change nothing."""
    warnings = []
    if dead := sorted(name for name in DEAD if getattr(settings, name) is not None):
        names = ", ".join(dead)
        warnings.append(f"no effect, for nothing in semilearn 0.3.2 reads it: {names}")
    if settings.train_sampler != "RandomSampler":
        warnings.append(
            f"train_sampler: {settings.train_sampler} has no effect; USB gives it no weights, and "
            "images are drawn evenly"
        )
    if settings.algorithm in TEACHERS and settings.ema_m == 0:
        warnings.append(
            f"ema_m is 0, so the teacher of {settings.algorithm} is the trained network itself"
        )
    if settings.gpu is not None:
        n = settings.gpu
        warnings.append(f"gpu: {n} has no effect; use device: cuda:{n}")
    return warnings
