"""Which images lie in a folder, and of what class: file names only, nothing is decoded.

A class list: which class folders of a data set count, and what number each class has.

ImageNet-100 (LayerMatch, Table 3) is ImageNet's folders with such a list. One folder name a line, such
as `n01440764`, in UTF-8; the first class is number 0. ours: blank lines and lines that begin with `#`
are passed over, and composed and decomposed spellings are one name.
"""

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.image_files import (
    ImageFile,
    Passed,
    has_images,
    images_below,
    images_directly_in,
    subfolders,
)
from usb_ext.data.image_names import normal_name
from usb_ext.data.label_files import in_one_line

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

UNLABELED = frozenset(
    f"{before}{word}{after}"
    for word in ("unlabeled", "unlabelled")
    for before, after in (("", ""), ("train", ""), ("", "train"))
)
"""Names of folders of images without a class, in small letters and without what is no letter."""

_UNKNOWN = -1
_SHOWN = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """The files of one split: paths relative to the root, with `/`, class (or -1) and bytes of each."""

    names: tuple[str, ...]
    targets: tuple[int, ...]
    sizes: tuple[int, ...] = ()

    def without(self, names: Collection[str]) -> "Listing":
        """The other files, in the same order.

        Args:
            names: of files to leave out.
        """
        kept = [n for n, name in enumerate(self.names) if name not in names]
        return Listing(
            tuple(self.names[n] for n in kept),
            tuple(self.targets[n] for n in kept),
            tuple(self.sizes[n] for n in kept) if self.sizes else (),
        )


@dataclass(frozen=True)
class FolderScan:
    """What lies in a folder of images.

    Attributes:
        root: the folder DIR.
        classes: the K class names in the order of their numbers.
        train: its files, sorted by name.
        test: likewise.
        passed: what was passed over, of both.
        unused: folders directly in DIR that hold images and that nothing reads.
        from_folders: the classes that are folders of train; the others come from a label file.
    """

    root: Path
    classes: tuple[str, ...]
    train: Listing
    test: Listing
    passed: Passed = field(default_factory=Passed)
    unused: tuple[str, ...] = ()
    from_folders: frozenset[str] = frozenset()


def scan_folder(
    root: Path,
    classes: Sequence[str] | None = None,
    only: ClassList | None = None,
    *,
    test: TestSplit = "needed",
    need_classes: bool = True,
) -> FolderScan:
    """List the images below `root`.

    ours: images count at any depth below their class folder; hidden files and folders are passed over;
    composed and decomposed spellings of one class name are one class. A folder called `unlabeled`, in
    either spelling and any case, also `train_unlabeled` and `train/unlabeled`, holds images without a
    class (`train/unlabeled` is a class where the test split has it, too). Where neither `train` nor a test
    split is there, all images below `root` are without a class.

    Args:
        root: the folder DIR.
        classes: class names known from a label file, added to those of the folders of train.
        only: the classes that count, in the order of their numbers; other folders are passed over.
        test: whether there has to be a test split; one that is not read is empty.
        need_classes: False where images alone will do, as for features.

    Raises:
        DataMissing: a folder is missing, empty or unreadable, no class is known, or a class of test
            does not occur in train.
        SettingsError: a class of `only` that train or test lacks.
    """
    if not root.is_dir():
        raise DataMissing(f"no folder {root}; {LAYOUT}")
    train, free = root / "train", _unlabeled_folders(root)
    if not train.is_dir() and not free and (need_classes and not classes):
        raise DataMissing(f"no folder {train}; {LAYOUT}")
    place = _test_folder(root, test)
    passed = Passed()
    folders = _class_folders(train, place)
    names = _class_names(train, folders, place, classes or (), only, need_classes)
    numbers = {name: number for number, name in enumerate(names)}
    files = _class_images(folders, numbers, passed)
    files += _unclassed(_free_images(root, train, free, place, passed))
    tested = [] if place is None else _class_images(subfolders(place), numbers, passed)
    if place is not None and (stray := images_directly_in(place)):
        _log.warning("%d images directly in %s have no class: unused", len(stray), place)
    if not files:
        raise DataMissing(f"no images in {train if train.is_dir() else root}; {LAYOUT}")
    return FolderScan(
        root,
        names,
        _listing(root, files),
        _listing(root, tested),
        passed,
        tuple(_unused(root, train, free)),
        frozenset(normal_name(folder.name) for folder in folders),
    )


def _is_unlabeled(folder: Path) -> bool:
    """Whether a folder's name says that its images have no class."""
    return "".join(c for c in folder.name.casefold() if c.isalpha()) in UNLABELED


def _unlabeled_folders(root: Path) -> list[Path]:
    """Folders directly in DIR that hold images without a class."""
    return [folder for folder in subfolders(root) if _is_unlabeled(folder)]


def _class_folders(train: Path, test: Path | None) -> list[Path]:
    """The class folders of train: all but one for images without a class."""
    if not train.is_dir():
        return []
    tested = set() if test is None else {normal_name(folder.name) for folder in subfolders(test)}
    return [f for f in subfolders(train) if not _is_unlabeled(f) or normal_name(f.name) in tested]


def _free_images(
    root: Path, train: Path, free: list[Path], test: Path | None, passed: Passed
) -> Iterator[ImageFile]:
    """The training images that lie in no class folder."""
    if train.is_dir():
        yield from images_directly_in(train, passed)
        classed = set(_class_folders(train, test))
        free = [*(f for f in subfolders(train) if f not in classed), *free]
    elif not free and not (root / evaluation_folder(root)).is_dir():
        free = [root]
    for folder in free:
        yield from images_below(folder, passed)


def _unused(root: Path, train: Path, free: list[Path]) -> Iterator[str]:
    """Folders directly in DIR that hold images and are read as nothing."""
    if not train.is_dir() and not free:
        return
    read = {train, *free, root / "test", root / "val"}
    yield from (f.name for f in subfolders(root) if f not in read and has_images(f))


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
    folders: list[Path],
    test: Path | None,
    from_labels: Sequence[str],
    only: ClassList | None,
    needed: bool,
) -> tuple[str, ...]:
    """The K class names in the order of their numbers: sorted, or as `only` lists them."""
    found = {normal_name(folder.name) for folder in folders}
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
            known = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            like = next((n for n in names if n.casefold() == name.casefold()), None)
            typo = f"; rename one of them, {like!r} and {name!r} are two names" if like else ""
            raise DataMissing(f"{folder}: train has no such class (it has {known}){typo}; {LAYOUT}")
    return names


def _class_images(
    folders: list[Path], numbers: dict[str, int], passed: Passed
) -> list[tuple[ImageFile, int]]:
    """The images in a split's class folders with their class; every folder that counts must have some."""
    files: list[tuple[ImageFile, int]] = []
    for folder in folders:
        number = numbers.get(normal_name(folder.name))
        if number is None:
            continue
        here = Passed()
        images = images_below(folder, here)
        if not images:
            held = in_words(here.endings)
            why = f" (it holds {held}, which are not read)" if held else ""
            raise DataMissing(
                f"no images in {folder}{why}; add some or remove the folder; {LAYOUT}"
            )
        passed.endings.update(here.endings)
        passed.special += here.special
        files += [(image, number) for image in images]
    return files


def in_words(endings: dict[str, int]) -> str:
    """Counts by ending, the most frequent first, such as "24 .heic, 1 .txt"; empty for none.

    Args:
        endings: number of files by ending.
    """
    most = sorted(endings.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {ending}" for ending, count in most)


def _unclassed(images: Iterator[ImageFile]) -> list[tuple[ImageFile, int]]:
    return [(image, _UNKNOWN) for image in images]


def _listing(root: Path, files: list[tuple[ImageFile, int]]) -> Listing:
    """Sort by name, which makes positions independent of the file system's order."""
    start = len(os.path.join(root, ""))
    named = sorted((f.path[start:].replace(os.sep, "/"), c, f.size) for f, c in files)
    names, targets, sizes = zip(*named, strict=True) if named else ((), (), ())
    return Listing(names, targets, sizes)
