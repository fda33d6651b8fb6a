"""The image files of a directory, by name and size: nothing is opened.

What is passed over is counted by its reason, so that nothing is left out in silence: files whose ending is
none of an image, and things with an image's name that are no files (pipes, sockets).
"""

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

from usb_ext.core.errors import DataMissing
from usb_ext.data.decode import image_extensions

MISSING = -1
"""Size of a file that cannot be looked at, such as a link to nothing; reading it will say why."""


class ImageFile(NamedTuple):
    """An image: its path, and its size in bytes (or MISSING)."""

    path: str
    size: int


@dataclass
class Passed:
    """What was passed over.

    Attributes:
        endings: number of files by ending, in lower case; "(none)" for names without one.
        special: paths with an image's ending that are no regular files.
    """

    endings: Counter[str] = field(default_factory=Counter)
    special: list[str] = field(default_factory=list)


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in `folder`, hidden ones left out, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def images_directly_in(folder: Path, passed: Passed | None = None) -> list[ImageFile]:
    """Images that lie in `folder` itself.

    Args:
        folder: where to look.
        passed: notes what is passed over.
    """
    names = [name for name in os.listdir(folder) if not (folder / name).is_dir()]
    return _images(str(folder), names, passed or Passed())


def images_below(folder: Path, passed: Passed | None = None) -> list[ImageFile]:
    """Images at any depth below `folder`, through links to folders but never in a circle.

    Args:
        folder: where to look.
        passed: notes what is passed over.

    Raises:
        DataMissing: a folder that cannot be read.
    """
    found: list[ImageFile] = []
    seen: set[str] = set()
    noted = passed or Passed()
    for place, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [n for n in folders if not n.startswith(".")]
        if real not in seen:
            found += _images(place, names, noted)
        seen.add(real)
    return found


def has_images(folder: Path) -> bool:
    """Whether any image lies below `folder`; the first one ends the search."""
    endings = image_extensions()
    for _, folders, names in os.walk(folder):
        folders[:] = [n for n in folders if not n.startswith(".")]
        if any(os.path.splitext(n)[1].lower() in endings and n[0] != "." for n in names):
            return True
    return False


def _images(place: str, names: list[str], passed: Passed) -> list[ImageFile]:
    """The files among `names` that end like an image, in either case; hidden ones do not count."""
    endings = image_extensions()
    found = []
    for name in names:
        if name.startswith("."):
            continue
        ending = os.path.splitext(name)[1].lower()
        path = os.path.join(place, name)
        if ending not in endings:
            passed.endings[ending or "(none)"] += 1
        elif (size := _size(path)) is None:
            passed.special.append(path)
        else:
            found.append(ImageFile(path, size))
    return found


def _size(path: str) -> int | None:
    """Bytes of a regular file; None for another thing, which might never end when it is read."""
    try:
        status = os.stat(path)
    except OSError:
        return MISSING
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _unreadable(error: OSError) -> NoReturn:
    raise DataMissing(f"cannot read {error.filename}: {error.strerror}") from error
