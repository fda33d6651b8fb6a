"""Files that are whole or not there: written beside their place, flushed to disk, then renamed."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file whole or not at all: beside it, flushed to disk, then renamed.

    Args:
        path: the final name.
        write: gets a temporary path in the same folder and writes the content there; if it raises,
            nothing is left of it.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file in one step; NaN is refused, as JSON has none."""
    text = json.dumps(content, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step; its line ends stay as they are."""
    replace_file(path, lambda p: _write(p, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")
