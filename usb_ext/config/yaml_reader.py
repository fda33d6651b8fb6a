"""YAML by ruamel's safe reader, YAML 1.2, with errors of one line.

`5e-05` is a number (PyYAML makes it text), a tag is an error and runs nothing, and so is a key that
stands twice.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from usb_ext.core.errors import SettingsError
from usb_ext.settings.words import shown


def read_yaml(path: str | Path) -> dict[str, object]:
    """The mapping in a YAML file, values as ruamel's safe reader gives them.

    Args:
        path: a file in UTF-8.

    Raises:
        SettingsError: one line with the file, and the line number where there is one.
    """
    try:
        content = _parser().load(Path(path).read_text(encoding="utf-8-sig"))
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
