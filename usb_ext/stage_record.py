"""What a file was made from, kept beside it: a stage whose output is there from the same is skipped."""

import hashlib
import json
from pathlib import Path
from typing import Any

from usb_ext.atomic_files import write_json
from usb_ext.core.errors import DataMissing, SettingsError, reason


def record_of(made: Path) -> Path:
    """The record beside a file: `selected.made_with.json` for `selected.json`."""
    return made.with_name(f"{made.stem}.made_with.json")


def is_done(made: Path, inputs: dict[str, Any], *, overwrite: bool = False) -> bool:
    """Whether a file is there and was made from these inputs.

    Args:
        made: the file.
        inputs: settings and digests of files, as JSON values.
        overwrite: it is to be made again in any case.

    Raises:
        SettingsError: it is there and was made from something else, or nobody knows from what.
    """
    if overwrite or not made.is_file():
        return False
    try:
        then = json.loads(record_of(made).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SettingsError(
            f"{made} is there, but not what it was made from; use --overwrite, or another --as3l_name"
        ) from None
    changes = [n for n in sorted({*then, *inputs}) if then.get(n) != inputs.get(n)]
    if changes:
        told = ", ".join(
            f"{n} ({_short(then.get(n))} then, {_short(inputs.get(n))} now)" for n in changes
        )
        raise SettingsError(
            f"{made} was made from something else: {told}; use --overwrite to make it again, or another "
            "--as3l_name"
        )
    return True


def finish_stage(made: Path, inputs: dict[str, Any]) -> None:
    """Note what a file was made from, after it was written."""
    write_json(record_of(made), inputs)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in 64 hexadecimal digits.

    Raises:
        DataMissing: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataMissing(f"cannot read {path}: {reason(error)}") from error


def _short(value: Any) -> str:
    """A value as it is told; a digest by its first 8 digits."""
    text = str(value)
    return text[:8] if len(text) == 64 else text
