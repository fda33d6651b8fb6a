"""Which images lie in a folder, and of what class: file names only, nothing is decoded."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from usb_ext.core.errors import DataMissing
from usb_ext.data.class_list import ClassList
from usb_ext.data.folder_walk import images_below, images_directly_in, subfolders
from usb_ext.data.names import normal_name

LAYOUT = (
    "expected DIR/train/<class>/<image> and DIR/test/<class>/<image> (or DIR/val/); images without "
    "a class may lie in DIR/train/ itself or below DIR/unlabeled/"
)
TestSplit = Literal["needed", "if there", "none"]
"""Whether a missing test folder is a mistake, and whether one that is there is read."""

_UNKNOWN = -1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """The files of one split: paths relative to the root, with `/`, and class of each (or -1)."""

    names: tuple[str, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True)
class FolderScan:
    """The K class names in the order of their numbers, and both splits' files, sorted by name."""

    classes: tuple[str, ...]
    train: Listing
    test: Listing


def scan_folder(
    root: Path,
    classes: Sequence[str] | None = None,
    only: ClassList | None = None,
    *,
    test: TestSplit = "needed",
    need_classes: bool = True,
) -> FolderScan:
    """List the images below `root`.

    ours: images count at any depth below their class folder; hidden files and folders, and files
    that are no images by their ending, are passed over; composed and decomposed spellings of one
    class name are one class.

    Args:
        classes: class names known from a label file, added to those of the folders of train.
        only: the classes that count, in the order of their numbers; other folders are passed over.
        test: whether there has to be a test split; one that is not read is empty.
        need_classes: False where images alone will do, as for features.

    Raises:
        DataMissing: a folder is missing, empty or unreadable, no class is known, or a class of test
            does not occur in train.
        SettingsError: a class of `only` that train or test lacks.
    """
    for folder in (root, root / "train"):
        if not folder.is_dir():
            raise DataMissing(f"no folder {folder}; {LAYOUT}")
    place = _test_folder(root, test)
    names = _class_names(root / "train", place, classes or (), only, need_classes)
    numbers = {name: number for number, name in enumerate(names)}
    train = _class_images(root / "train", numbers) + _unclassed_images(root)
    tested = [] if place is None else _class_images(place, numbers)
    if place is not None and (stray := images_directly_in(place)):
        _log.warning("%d images directly in %s have no class: unused", len(stray), place)
    return FolderScan(names, _listing(root, train), _listing(root, tested))


def _test_folder(root: Path, test: TestSplit) -> Path | None:
    """The folder of the test split, None where there is none to be read."""
    place = root / evaluation_folder(root)
    if test == "needed" and not place.is_dir():
        raise DataMissing(
            f"no folder {place}; {LAYOUT}; to train without any evaluation use --without_test true"
        )
    if test == "none" or not place.is_dir():
        return None
    return place if test == "needed" or subfolders(place) else None


def evaluation_folder(root: Path) -> str:
    """`test`, or `val` as in ImageNet where only that one holds class folders.

    Args:
        root: the folder DIR; it need not exist.
    """
    test, val = root / "test", root / "val"
    sorted_test = test.is_dir() and subfolders(test)
    return "test" if sorted_test or not val.is_dir() else "val"


def _class_names(
    train: Path,
    test: Path | None,
    from_labels: Sequence[str],
    only: ClassList | None,
    needed: bool,
) -> tuple[str, ...]:
    """The K class names in the order of their numbers: sorted, or as `only` lists them."""
    found = {normal_name(folder.name) for folder in subfolders(train)}
    found |= {normal_name(name) for name in from_labels}
    tested = {} if test is None else {normal_name(f.name): f for f in subfolders(test)}
    if not found and needed:
        raise DataMissing(
            f"no class folders in {train} and no label file that names classes; {LAYOUT}"
        )
    if test is not None and not tested:
        raise DataMissing(f"no class folders in {test}; {LAYOUT}")
    if only is not None:
        only.check_folders(train, found)
        if test is not None:
            only.check_folders(test, tested)
        return only.names
    names = tuple(sorted(found))
    for name, folder in tested.items():
        if name not in found:
            known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            raise DataMissing(f"{folder}: train has no such class (it has {known}); {LAYOUT}")
    return names


def _class_images(place: Path, numbers: dict[str, int]) -> list[tuple[str, int]]:
    """(path, class) of the images in a split's class folders; every one that counts must have some."""
    files: list[tuple[str, int]] = []
    for folder in subfolders(place):
        number = numbers.get(normal_name(folder.name))
        if number is None:
            continue
        paths = images_below(folder)
        if not paths:
            raise DataMissing(f"no images in {folder}; add some or remove the folder; {LAYOUT}")
        files += [(path, number) for path in paths]
    return files


def _unclassed_images(root: Path) -> list[tuple[str, int]]:
    """(path, -1) of the training images that lie in no class folder."""
    paths = images_directly_in(root / "train")
    for spelling in ("unlabeled", "unlabelled"):
        if (root / spelling).is_dir():
            paths += images_below(root / spelling)
    return [(path, _UNKNOWN) for path in paths]


def _listing(root: Path, files: list[tuple[str, int]]) -> Listing:
    """Sort by name, which makes positions independent of the file system's order."""
    start = len(os.path.join(root, ""))
    named = sorted((path[start:].replace(os.sep, "/"), target) for path, target in files)
    return Listing(tuple(name for name, _ in named), tuple(target for _, target in named))
