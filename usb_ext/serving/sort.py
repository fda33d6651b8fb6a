"""Copies of images in a folder a class: nothing is overwritten, moved or removed."""

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from usb_ext.core.errors import SettingsError, from_os_error
from usb_ext.core.folders import unmade


def check_sort_folder(folder: Path, classes: Sequence[str], places: Sequence[str | Path]) -> None:
    """Refuse a folder that copies may not go to; touches nothing.

    Args:
        folder: where a folder a class is to be.
        classes: their names.
        places: where the images come from.

    Raises:
        SettingsError: it is no folder or lies where images are read from, or a class name is no folder
            name.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"--sort-into {folder} is a file; name a folder")
    here = folder.resolve()
    for place in (Path(p).expanduser().resolve() for p in places):
        if place.is_dir() and (here == place or place in here.parents):
            raise SettingsError(
                f"--sort-into {folder} lies in {place}, where a later call would take the copies for new "
                "images; name a folder outside of it"
            )
    for name in classes:
        if name in ("", ".", "..") or any(sign in name for sign in ("/", "\\", "\0")):
            raise SettingsError(
                f"class {name!r} cannot be a folder's name, so --sort-into cannot be used with this run"
            )


def sort_into(folder: Path, images: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """Copy images into `folder/<class>/`.

    A file of the same name and content that is there already is left, and one of another content too: the
    copy then gets a number, `cat_2.jpg`.

    Args:
        folder: made where it is not there.
        images: path and class name of each.

    Returns:
        How many were copied, and how many were there already.

    Raises:
        UsbExtError: a folder or file that cannot be written; what was copied so far stays.
    """
    copied = there = 0
    for path, name in images:
        place = folder / name
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unmade(place, error) from error
        try:
            done = _copy(Path(path), place)
        except OSError as error:
            raise from_os_error(error) from error
        copied, there = copied + done, there + (not done)
    return copied, there


def _copy(source: Path, place: Path) -> bool:
    """Copy a file under a free name; False where its content is there already under its own name."""
    number = 1
    while True:
        name = source.name if number == 1 else f"{source.stem}_{number}{source.suffix}"
        target = place / name
        if not os.path.lexists(target):
            if _copy_as(source, target):
                return True
        elif target.is_file() and filecmp.cmp(source, target, shallow=False):
            return False
        number += 1


def _copy_as(source: Path, target: Path) -> bool:
    """Copy whole or not at all; False where somebody else has just taken the name."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copy2(source, part)
        try:
            os.link(part, target)  # which, unlike a rename, never replaces
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            if os.path.lexists(target):
                return False
            os.rename(part, target)
        return True
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
