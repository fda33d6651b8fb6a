"""Where settings come from: defaults < YAML < command line.

(In USB the file comes last, so that a flag is silently undone by it.)

YAML by ruamel's safe reader, YAML 1.2, with errors of one line.

`5e-05` is a number (PyYAML makes it text), a tag is an error and runs nothing, and so is a key that
stands twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from usb_ext.core.errors import SettingsError
from usb_ext.settings.model import DEAD, Settings
from usb_ext.settings.names import save_tag
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
        content = _parser().load(Path(path).expanduser().read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: {error.strerror}{remedy(path)}") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}{_place(error)}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: got {shown(content)}, allowed: lines of `name: value`")
    return named(content, str(path))


def read_scalar(text: str) -> object:
    """One value by the rules of the YAML files; text that is no YAML value stays text.

    Args:
        text: such as "5e-05", "True", "None" or "[a, b]".
    """
    try:
        value: object = _parser().load(text)
    except (YAMLError, ValueError, RecursionError):
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
    if not isinstance(error, MarkedYAMLError):
        return f": {str(error).splitlines()[0]}"
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
    """

    settings: Settings
    warnings: tuple[str, ...]
    given: frozenset[str]


def load_settings(
    source: str | Path | Mapping[str, object] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> LoadedSettings:
    """Settings from a YAML file (or a mapping such as one) and overrides, checked.

    Args:
        source: path of a YAML file, name of one that comes with the package, its content as a mapping,
            or None for the defaults alone.
        overrides: values that win over the source, as the command line gives them.

    Raises:
        SettingsError: the file cannot be read, or a name, a value or a combination is wrong.
    """
    base = _content(source)
    flags = dict(overrides or {})
    warnings = _settle_overwrite(base, flags)
    merged = {**base, **flags}
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(describe(error, merged)) from error
    if settings.save_name is None and "save_tag" not in flags:
        tag = save_tag(settings, base, flags)
        settings = Settings.model_validate({**merged, "save_tag": tag})
    warnings += _without_effect(settings)
    return LoadedSettings(settings, tuple(warnings), frozenset(merged))


def _content(source: str | Path | Mapping[str, object] | None) -> dict[str, object]:
    """The source's settings, in a dict of our own."""
    if source is None:
        return {}
    if isinstance(source, Mapping):
        return named(source, "settings")
    return read_yaml(settings_file(source))


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
    if settings.gpu is not None:
        n = settings.gpu
        warnings.append(f"gpu: {n} has no effect; use device: cuda:{n}")
    return warnings
