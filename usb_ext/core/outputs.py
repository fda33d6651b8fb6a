"""Files that a stage writes into any folder, and that are no run: each is ours, or it is not written.

The folder's marker lists what is ours before it is written, so a file of the same name that somebody else
put there is refused, and our own is replaced when a command is given again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import making, record_of
from usb_ext.core.folders import has_key, mark, read_marker, told, unmade
from usb_ext.core.lock import LOCK, locked

OLDER = {
    "selected.json": ("format", ("selected.json", "selected.png", "tuned.npz", "candidates.npz")),
    "prior.json": ("normaliser", ("prior.json", "prior.npz", "reliability.png")),
    "compare.json": ("comparisons", ("compare.*", "failed.json", "settings", "logs")),
}
"""Folders of an older version: a file, a key that it has, and the files beside it."""


def check_outputs(folder: Path, names: Sequence[str], option: str = "--out") -> None:
    """Refuse to write files over others of the same name that the package did not write.

    Args:
        folder: where they go; it need not exist.
        names: of the files or folders.
        option: what names another place.

    Raises:
        SettingsError: naming them.
    """
    ours = read_marker(folder).get("files", [])
    there = [n for n in names if n not in ours and _exists(folder / n) and not _older(folder, n)]
    if there:
        raise SettingsError(
            f"{folder} holds {told(there)}, which usb_ext did not write there; move that away, or choose "
            f"another {option}"
        )


def claim_outputs(
    folder: Path, names: Sequence[str], option: str = "--out", *, make: bool = True
) -> None:
    """Note in a folder that these files are ours, before any of them is written.

    Args:
        folder: as in `check_outputs`, like `names` and `option`.
        make: the folder is made if it is not there; otherwise nothing happens then.

    Raises:
        SettingsError: as in `check_outputs`, or the folder cannot be made or written into.
    """
    check_outputs(folder, names, option)
    ours = read_marker(folder).get("files", [])
    if set(names) <= set(ours) or not (make or folder.is_dir()):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark(folder, {"files": sorted({*ours, *names})})
    except OSError as error:
        raise unmade(folder, error) from error


def check_new(
    folder: Path, names: Sequence[str], option: str = "--out", *, overwrite: bool
) -> None:
    """Refuse to write over files that are there, or with `overwrite` over those that are not ours.

    Args:
        folder: as in `check_outputs`, like `names` and `option`.
        overwrite: files that the package wrote may be replaced.

    Raises:
        SettingsError: naming them.
    """
    there = [name for name in names if _exists(folder / name)]
    if there and not overwrite:
        more = f" (and {told(there[1:])})" if there[1:] else ""
        raise SettingsError(
            f"{folder / there[0]} exists already{more}; replace it with --overwrite, or choose another "
            f"{option}"
        )
    check_outputs(folder, names, option)


@contextmanager
def stage_output(made: Path, inputs: dict[str, Any], option: str) -> Iterator[None]:
    """Inside, a stage makes its file, alone in the folder (`core/files.py`: `making`).

    Raises:
        SettingsError: the folder holds such a file of somebody else's.
        RunFailed: another process works there.
    """
    claim_outputs(made.parent, [made.name, record_of(made).name], option)
    with locked(made.parent / LOCK, "a stage"), making(made, inputs):
        yield


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _older(folder: Path, name: str) -> bool:
    """Whether a file lies in a folder of an older version, as one that it wrote."""
    for witness, (key, files) in OLDER.items():
        if any(Path(name).match(file) for file in files) and has_key(folder / witness, key):
            return True
    begun = ("runs", "settings", "logs")
    if name in (*begun, "failed.json") and all((folder / n).is_dir() for n in begun):
        return True
    return (folder / f"{Path(name).stem}.made_with.json").is_file()
