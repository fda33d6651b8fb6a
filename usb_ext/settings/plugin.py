"""The user's module that settings need: `plugin: FILE.py`, imported before any other setting is checked.

It says `usb_ext.add_dataset`, `add_base`, `add_extension` or registers algorithms and networks, so that every
command knows them. Importing runs its code. Its path is made absolute, so that a run's `config.yaml` finds it
again; what it contained stands in the run's `data.json`.
"""

import hashlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from usb_ext.core.errors import SettingsError, reason

PLUGIN = "plugin"
"""The setting's name."""

IMPORTED: dict[str, Path] = {}
"""What this process has imported: SHA-256 of the content, and the file."""


def found_plugin(named: str, beside: Path | None = None) -> Path:
    """The file that a setting names, absolute.

    Args:
        named: as it was written.
        beside: folder of the settings file, where it is looked for after the working folder.

    Raises:
        SettingsError: there is no such file.
    """
    places = [Path(named).expanduser()]
    if beside is not None and not places[0].is_absolute():
        places.append(beside / places[0])
    for place in places:
        if place.is_file():
            return place.resolve()
    raise SettingsError(
        f"plugin is {named!r}, and there is no such file; name a Python file that adds your data sets, "
        "bases or extensions"
    )


def import_plugin(path: Path) -> None:
    """Run a plugin, once a process whatever its path.

    Args:
        path: absolute.

    Raises:
        SettingsError: the file, the line and what went wrong there; or it is another one than this process
            has imported from this path.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"plugin {path} cannot be read: {reason(error)}") from error
    digest = hashlib.sha256(source).hexdigest()
    if digest in IMPORTED:
        return
    if path in IMPORTED.values():
        raise SettingsError(
            f"plugin {path} has changed since this process imported it; start Python again"
        )
    module = ModuleType(f"usb_ext_plugin_{digest[:12]}")
    module.__file__ = str(path)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # for what it imports, after all other places
    sys.modules[module.__name__] = module  # for pickle and `inspect`
    try:
        _run(source, path, module.__dict__)
    except SettingsError:
        del sys.modules[module.__name__]
        raise
    IMPORTED[digest] = path


def _run(source: bytes, path: Path, names: dict[str, Any]) -> None:
    try:
        exec(compile(source, str(path), "exec"), names)
    except SyntaxError as error:
        line = error.lineno if error.filename == str(path) else _line(error, path)
        raise SettingsError(_told(path, line, error)) from error
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        raise SettingsError(_told(path, _line(error, path), error)) from error


def _line(error: BaseException, path: Path) -> int | None:
    """The last line of the file that an error went through."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _told(path: Path, line: int | None, error: BaseException) -> str:
    where = "" if line is None else f", line {line}"
    what = error.msg if isinstance(error, SyntaxError) else reason(error)
    kind = type(error).__name__
    return f"plugin {path}{where}: {kind}" + ("" if what == kind else f": {what}")
