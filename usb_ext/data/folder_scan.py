"""Which images lie in a folder, and of what class: file names only, nothing is decoded."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from usb_ext.data.decode import image_extensions
from usb_ext.data.names import normal_name
from usb_ext.errors import DataMissing

LAYOUT = (
    "expected DIR/train/<class>/<image> and DIR/test/<class>/<image>; images without a class may "
    "lie in DIR/train/ itself or below DIR/unlabeled/"
)
_UNKNOWN = -1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """The files of one split: paths relative to the root, with `/`, and class of each (or -1)."""

    names: tuple[str, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True)
class FolderScan:
    """The K class names, sorted, and the files of both splits, sorted by name."""

    classes: tuple[str, ...]
    train: Listing
    test: Listing


def scan_folder(root: Path, classes: Sequence[str] | None = None) -> FolderScan:
    """List the images below `root`.

    ours: images count at any depth below their class folder; hidden files and folders, and files
    that are no images by their ending, are passed over; composed and decomposed spellings of one
    class name are one class.

    Args:
        classes: class names known from a label file, added to those of the folders of train.

    Raises:
        DataMissing: a folder is missing, empty or unreadable, no class is known, or a class of test
            does not occur in train.
    """
    for folder in (root, root / "train", root / "test"):
        if not folder.is_dir():
            raise DataMissing(f"no folder {folder}; {LAYOUT}")
    found = {normal_name(folder.name) for folder in _subfolders(root / "train")}
    names = tuple(sorted(found | {normal_name(name) for name in classes or ()}))
    if not names:
        raise DataMissing(
            f"no class folders in {root / 'train'} and no label file that names classes; {LAYOUT}"
        )
    for folder in _subfolders(root / "test"):
        if normal_name(folder.name) not in names:
            known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            raise DataMissing(f"{folder}: train has no such class (it has {known}); {LAYOUT}")
    numbers = {name: number for number, name in enumerate(names)}
    train = _class_images(root, "train", numbers) + _unclassed_images(root)
    test = _class_images(root, "test", numbers)
    if stray := _images_directly_in(root / "test"):
        _log.warning("%d images directly in %s have no class: unused", len(stray), root / "test")
    return FolderScan(names, _listing(root, train), _listing(root, test))


def _class_images(root: Path, split: str, numbers: dict[str, int]) -> list[tuple[str, int]]:
    """(path, class) of the images in a split's class folders; every class folder must have some."""
    files: list[tuple[str, int]] = []
    for folder in _subfolders(root / split):
        paths = _images_below(folder)
        if not paths:
            raise DataMissing(f"no images in {folder}; add some or remove the folder; {LAYOUT}")
        files += [(path, numbers[normal_name(folder.name)]) for path in paths]
    if split == "test" and not files:
        raise DataMissing(f"no class folders in {root / split}; {LAYOUT}")
    return files


def _unclassed_images(root: Path) -> list[tuple[str, int]]:
    """(path, -1) of the training images that lie in no class folder."""
    paths = _images_directly_in(root / "train")
    for spelling in ("unlabeled", "unlabelled"):
        if (root / spelling).is_dir():
            paths += _images_below(root / spelling)
    return [(path, _UNKNOWN) for path in paths]


def _listing(root: Path, files: list[tuple[str, int]]) -> Listing:
    """Sort by name, which makes positions independent of the file system's order."""
    start = len(os.path.join(root, ""))
    named = sorted((path[start:].replace(os.sep, "/"), target) for path, target in files)
    return Listing(tuple(name for name, _ in named), tuple(target for _, target in named))


def _subfolders(folder: Path) -> list[Path]:
    """Folders directly in `folder`, hidden ones left out, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images_directly_in(folder: Path) -> list[str]:
    """Images that lie in `folder` itself."""
    return [os.path.join(folder, n) for n in _image_names(os.listdir(folder))]


def _images_below(folder: Path) -> list[str]:
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
