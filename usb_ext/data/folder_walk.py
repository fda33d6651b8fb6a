"""Folders and images of a directory, by name alone: nothing is opened."""

import os
from pathlib import Path
from typing import NoReturn

from usb_ext.core.errors import DataMissing
from usb_ext.data.decode import image_extensions


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in `folder`, hidden ones left out, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def images_directly_in(folder: Path) -> list[str]:
    """Images that lie in `folder` itself."""
    return [os.path.join(folder, n) for n in _image_names(os.listdir(folder))]


def images_below(folder: Path) -> list[str]:
    """Images at any depth below `folder`, through links to folders but never in a circle."""
    found: list[str] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [n for n in folders if not n.startswith(".")]
        if real not in seen:
            found += [os.path.join(place, name) for name in _image_names(names)]
        seen.add(real)
    return found


def _image_names(names: list[str]) -> list[str]:
    """The names that end like an image, in either case."""
    endings = image_extensions()
    visible = [n for n in names if not n.startswith(".")]
    return [n for n in visible if os.path.splitext(n)[1].lower() in endings]


def _unreadable(error: OSError) -> NoReturn:
    raise DataMissing(f"cannot read {error.filename}: {error.strerror}") from error
