"""Arrays in one `.npz` file: read with a clear word about what is wrong, written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from usb_ext.core.errors import DataMissing, SettingsError, reason
from usb_ext.core.files import replace_file


def read_arrays(path: Path, what: str, how: str) -> dict[str, Any]:
    """The arrays of a file by name.

    Args:
        path: the file.
        what: what it is called in messages, such as "features file".
        how: how to get one.

    Raises:
        DataMissing: no such file, or not an `.npz` of plain arrays.
    """
    if path.exists() and not path.is_file():
        raise DataMissing(f"{what} {path} cannot be read (it is no file); {how}")
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array, not an .npz of named ones")
        with archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise DataMissing(f"{what} {path} does not exist; {how}") from error
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise DataMissing(f"{what} {path} cannot be read ({reason(error)}); {how}") from error


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Replace `path` by a file with these arrays, uncompressed.

    Raises:
        SettingsError: the folder cannot be made or written into.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)

    make_folder(path.parent)
    replace_file(path, write)


def make_folder(path: Path) -> None:
    """Make a folder for results, with those above it.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the folder {path} cannot be made: {reason(error)}") from error
