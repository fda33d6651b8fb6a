"""Which images lie in a folder, and of what class: file names only, nothing is decoded.

Folders and images of a directory, by name alone: nothing is opened.

A class list: which class folders of a data set count, and what number each class has.

ImageNet-100 (LayerMatch, Table 3) is ImageNet's folders with such a list. One folder name a line, such
as `n01440764`, in UTF-8; the first class is number 0. ours: blank lines and lines that begin with `#`
are passed over, and composed and decomposed spellings are one name.
"""

import logging
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.decode import image_extensions
from usb_ext.data.image_names import normal_name
from usb_ext.data.label_files import in_one_line


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


EXPECTED = "expected one class folder a line, such as n01440764"


@dataclass(frozen=True)
class ClassList:
    """The K classes of a list file.

    Attributes:
        path: the file.
        names: K folder names, in the file's order, each once.
        lines: the line of each, counted from 1.
    """

    path: Path
    names: tuple[str, ...]
    lines: tuple[int, ...]

    def check_folders(self, folder: Path, found: Collection[str]) -> None:
        """Raise unless every class of the list is there.

        Args:
            folder: where the class folders lie, for the message.
            found: the names that are there, as `normal_name` spells them.

        Raises:
            SettingsError: classes without a folder, each with its line.
        """
        missing = [
            f"line {line}: no folder {folder / name}"
            for line, name in zip(self.lines, self.names, strict=True)
            if name not in found
        ]
        if missing:
            raise SettingsError(
                f"class list {self.path}: {in_one_line(missing)}; correct the list, or name the "
                "folder that holds the classes with --data_dir"
            )


def read_class_list(path: Path, num_classes: int) -> ClassList:
    """Read and check a class list.

    Args:
        path: the file.
        num_classes: K, how many classes it must name.

    Raises:
        DataMissing: no such file, or it cannot be read.
        SettingsError: not UTF-8, no class, a class twice (with its lines), or not K of them.
    """
    lines = _lines(path)
    first: dict[str, int] = {}
    twice = [
        f"line {line}: {name!r} already stands on line {before}"
        for line, name in lines
        if (before := first.setdefault(name, line)) != line
    ]
    if not lines:
        raise SettingsError(f"class list {path} names no class; {EXPECTED}")
    if twice:
        raise SettingsError(f"class list {path}: {in_one_line(twice)}; name each class once")
    if len(first) != num_classes:
        raise SettingsError(
            f"num_classes is {num_classes}, but class list {path} names {len(first)} (the last on "
            f"line {lines[-1][0]}); use --num_classes {len(first)}, or correct the list"
        )
    return ClassList(path, tuple(first), tuple(first.values()))


def _lines(path: Path) -> list[tuple[int, str]]:
    """Number and name of each line that names a class."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataMissing(
            f"cannot read class list {path}: {error.strerror or error}; {EXPECTED}, in a file "
            "named by --class_list"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"class list {path} is not UTF-8: {error}; {EXPECTED}") from error
    stripped = enumerate((line.strip() for line in text.split("\n")), start=1)
    return [(number, normal_name(n)) for number, n in stripped if n and not n.startswith("#")]


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
