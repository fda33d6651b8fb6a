"""What is to be said of a folder of images before any work: classes and counts, and what is passed over.

A mistake in the layout shows here: a camera's folders taken for classes, two spellings of one class, images
that nothing reads. Advice is given only where the folder itself shows what is wrong.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path

from usb_ext.core.errors import SettingsError
from usb_ext.data.fingerprint import Fingerprint, printable
from usb_ext.data.folder_scan import FolderScan, in_words
from usb_ext.data.image_names import normal_name
from usb_ext.data.label_csv import label_rows
from usb_ext.settings import Settings

_SHOWN = 20
_FEW = 3
_DATE_OR_CAMERA = re.compile(r"(19|20)\d\d([-_.]?\d\d){0,2}|dcim|\d{3}[a-z_]{5}", re.IGNORECASE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """What a run's record says of its folder.

    Attributes:
        ignored: number of files that were passed over, by their ending.
        duplicates: images whose bytes another one has too.
    """

    ignored: dict[str, int]
    duplicates: int


def survey(scan: FolderScan, found: Fingerprint) -> Survey:
    """Say what lies in a folder, and what of it is not used.

    Args:
        scan: its files.
        found: their marks.
    """
    _log.info("%s", counts_in_words(scan))
    ignored = dict(scan.passed.endings)
    if ignored:
        _log.warning(
            "%s: passed over, their endings are no image's that is read: %s",
            *(scan.root, in_words(ignored)),
        )
    if scan.passed.special:
        names = ", ".join(map(printable, scan.passed.special[:_FEW]))
        _log.warning("passed over, no regular files: %d (%s)", len(scan.passed.special), names)
    if scan.unused:
        _log.warning(
            "%s: images in %s are not used; only train, test (or val) and unlabeled are read",
            *(scan.root, ", ".join(map(printable, scan.unused))),
        )
    for one, other in look_alikes(scan.classes):
        _log.warning("classes %r and %r differ in spelling only; they count as two", one, other)
    groups = duplicates(found)
    if groups:
        _log.warning("%s", _duplicates_in_words(groups, found))
    return Survey(ignored, sum(len(group) - 1 for group in groups))


def counts_in_words(scan: FolderScan) -> str:
    """Numbers, names and counts of the classes, such as "2 classes: 0 a (20 images), 1 b (20)".

    Args:
        scan: a folder's files.
    """
    counts = Counter(scan.train.targets)
    shown = [f"{n} {printable(c)} ({counts[n]})" for n, c in enumerate(scan.classes)][:_SHOWN]
    more = ", ..." if len(scan.classes) > _SHOWN else ""
    classes = (
        f"{len(scan.classes)} classes (number, name, training images): {', '.join(shown)}{more}; "
    )
    free, tested = counts[-1], len(scan.test.names)
    return f"{classes if scan.classes else ''}{free} images without a class, {tested} test images"


def check_classes(settings: Settings, scan: FolderScan) -> None:
    """Refuse a number of classes that the folder does not have, and folders that may be no classes.

    Args:
        settings: of the run.
        scan: its folder.

    Raises:
        SettingsError: the classes with their counts, and what is doubtful about them; or a cut of unlabelled
            images by class where the classes of some are not known.
    """
    _refuse_cuts(settings, scan)
    if len(scan.classes) != settings.num_classes:
        shown = ", ".join(_origins(settings, scan))
        typos = "".join(f"; {typo}" for typo in _typos(settings, scan))
        raise SettingsError(
            f"num_classes is {settings.num_classes}, but {scan.root} has {len(scan.classes)} classes: "
            f"{shown}{typos}; correct the folders or the labels, or use --num_classes "
            f"{len(scan.classes)} if all of these are classes"
        )
    doubt = doubtful(scan)
    if doubt and not settings.yes and settings.class_list is None:
        raise SettingsError(f"{doubt}; if they are the classes, give --yes true")


def _refuse_cuts(s: Settings, scan: FolderScan) -> None:
    """Refuse to cut classes of unlabelled images where nobody knows all of these classes."""
    unknown = scan.train.targets.count(-1)
    asked = {
        "ulb_num_labels": s.ulb_num_labels is not None,
        "ulb_imb_ratio": s.ulb_imb_ratio != 1,
        "imbalance_class": s.imbalance_class is not None,
    }
    names = [f"{name} is {getattr(s, name)}" for name, is_asked in asked.items() if is_asked]
    if unknown and names:
        raise SettingsError(
            f"{' and '.join(names)}, but the classes of {unknown} images of {scan.root} are not known, so "
            "that they cannot be cut; leave it out, or take these images out of the folder"
        )


def doubtful(scan: FolderScan) -> str:
    """Why the folders of train may be no classes, such as a camera's; empty where nothing says so.

    Args:
        scan: a folder's files.
    """
    counts = Counter(scan.train.targets)
    folders = [(n, c) for n, c in enumerate(scan.classes) if c in scan.from_folders]
    shown = ", ".join(f"{printable(c)} ({counts[n]} images)" for n, c in folders[:_SHOWN])
    classed = [n for n, t in zip(scan.train.names, scan.train.targets, strict=True) if t >= 0]
    where = (
        f"the folders of {scan.root / 'train'} would be the classes: {shown}; images without a class belong "
        "into DIR/unlabeled/"
    )
    if folders and all(_DATE_OR_CAMERA.fullmatch(c) for _, c in folders):
        return f"{where}; but their names look like dates or a camera's folders"
    if classed and all(name.count("/") > 2 for name in classed):
        first = printable(classed[0])
        return f"{where}; but none of them holds an image itself, all lie deeper, such as {first}"
    return ""


def _origins(settings: Settings, scan: FolderScan) -> Iterator[str]:
    """Each class with where it comes from and how often it occurs."""
    counts, labels = Counter(scan.train.targets), _first_lines(settings)
    for number, name in list(enumerate(scan.classes))[:_SHOWN]:
        if name in scan.from_folders:
            yield f"{printable(name)} ({counts[number]} images)"
        else:
            count, line = labels[name]
            yield f"{name} ({count} labels in {settings.label_file}, the first on line {line})"
    if len(scan.classes) > _SHOWN:
        yield "..."


def _first_lines(settings: Settings) -> dict[str, tuple[int, int]]:
    """By class of the label CSV, how often it stands there and on which line first."""
    found: dict[str, tuple[int, int]] = {}
    if settings.label_split == "file" and str(settings.label_file).lower().endswith(".csv"):
        for row in label_rows(Path(str(settings.label_file))):
            count, line = found.get(normal_name(row.class_name), (0, row.line))
            found[normal_name(row.class_name)] = count + 1, line
    return found


def _typos(settings: Settings, scan: FolderScan) -> Iterator[str]:
    """Names of the label file that may be another class's, misspelt."""
    labels = _first_lines(settings)
    for one, other in look_alikes(scan.classes):
        yield f"{one!r} and {other!r} differ in spelling only"
    alike = {name for pair in look_alikes(scan.classes) for name in pair}
    for name in scan.classes:
        if name in scan.from_folders or name in alike:
            continue
        others = [o for o in scan.classes if o != name and (o in scan.from_folders or o in labels)]
        if near := get_close_matches(name, others, 1, 0.8):
            yield f"{name!r} (line {labels[name][1]}) resembles {near[0]!r}"


def look_alikes(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of class names that differ in capitals, blanks, `-` or `_` only.

    Args:
        classes: names.
    """
    groups: dict[str, list[str]] = {}
    for name in classes:
        groups.setdefault(re.sub(r"[\s_-]", "", name.casefold()) or name, []).append(name)
    return [pair for group in groups.values() for pair in combinations(group, 2)]


def duplicates(found: Fingerprint) -> list[list[str]]:
    """Groups of images with the same bytes, where contents are known (`fingerprint.MOST_HASHED`).

    Args:
        found: marks of the images.
    """
    groups: dict[str, list[str]] = {}
    for marks in (found.train, found.test):
        for name, mark in marks.items():
            if len(mark.split()) == 2:
                groups.setdefault(mark, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _duplicates_in_words(groups: Sequence[Sequence[str]], found: Fingerprint) -> str:
    """How many, the first few, and how many of them are in both splits."""
    shown = "; ".join(" = ".join(map(printable, group[:_FEW])) for group in groups[:_FEW])
    both = sum(any(n in found.train for n in g) and any(n in found.test for n in g) for g in groups)
    leak = f"; {both} of these groups lie in both train and test" if both else ""
    count = sum(len(group) - 1 for group in groups)
    return f"{count} images have the same bytes as another ({shown}){leak}"
