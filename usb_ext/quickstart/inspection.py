"""What lies in a folder of images, before any work: every file is opened once, nothing is written."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from usb_ext.core.errors import DataMissing
from usb_ext.core.files import file_sha256
from usb_ext.data.decode import BadImage, opened, upright_rgb
from usb_ext.data.fingerprint import printable
from usb_ext.data.folder_scan import FolderScan, in_words, scan_folder
from usb_ext.data.survey import counts_in_words, doubtful, look_alikes
from usb_ext.inference.predict import READERS

_SHOWN = 5


@dataclass(frozen=True)
class Looked:
    """What opening one file has told.

    Attributes:
        format: Pillow's name of it; "" for a bad file.
        width: in pixels, turned as EXIF says.
        height: likewise.
        digest: SHA-256 of the file's bytes, hexadecimal; "" for a bad file.
        bad: why it cannot be decoded; "" for a good one.
    """

    format: str = ""
    width: int = 0
    height: int = 0
    digest: str = ""
    bad: str = ""


@dataclass(frozen=True, eq=False)
class Inspection:
    """What lies in a folder.

    Attributes:
        scan: its files and classes, by name, without the files that cannot be decoded.
        formats: number of good images of each format.
        sides: (n, 2) width and height of the good images in pixels.
        bad: names of files that cannot be decoded, each with the reason.
        duplicates: groups of names of files with the same bytes.
    """

    scan: FolderScan
    formats: Mapping[str, int]
    sides: "np.ndarray[Any, np.dtype[np.int64]]"
    bad: Mapping[str, str]
    duplicates: Sequence[Sequence[str]]

    @property
    def count(self) -> int:
        """Images that can be decoded, of all splits."""
        return len(self.sides)

    @property
    def training(self) -> int:
        """Training images that can be decoded, with a class or without."""
        return len(self.scan.train.names)

    @property
    def tested(self) -> int:
        """Test images that can be decoded."""
        return len(self.scan.test.names)

    def as_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        counts = Counter(self.scan.train.targets)
        return {
            "folder": str(self.scan.root),
            "images": self.count,
            "training": self.training,
            "test": self.tested,
            "classes": {name: counts[n] for n, name in enumerate(self.scan.classes)},
            "without_class": counts[-1],
            "formats": dict(self.formats),
            "sides": self.sides.tolist(),
            "bad": {printable(name): why for name, why in self.bad.items()},
            "duplicates": [list(map(printable, group)) for group in self.duplicates],
            "passed_over": dict(self.scan.passed.endings),
            "unused_folders": list(self.scan.unused),
            "doubt": doubtful(self.scan),
        }


def inspect_folder(root: Path) -> Inspection:
    """Open every image of a folder once.

    Args:
        root: the folder, in any layout that training reads.

    Raises:
        DataMissing: no folder, one that cannot be read, or no image in it.
    """
    scan = scan_folder(root, test="if there", need_classes=False)
    names = list(dict.fromkeys([*scan.train.names, *scan.test.names]))
    with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as pool:
        looks = dict(zip(names, pool.map(_look, [root / name for name in names]), strict=True))
    good = [look for look in looks.values() if not look.bad]
    groups: dict[str, list[str]] = {}
    for name, look in looks.items():
        if look.digest:
            groups.setdefault(look.digest, []).append(name)
    bad = {name: look.bad for name, look in looks.items() if look.bad}
    return Inspection(
        scan=replace(scan, train=scan.train.without(bad), test=scan.test.without(bad)),
        formats=Counter(look.format for look in good),
        sides=np.array([(look.width, look.height) for look in good], dtype=np.int64).reshape(-1, 2),
        bad=bad,
        duplicates=[group for group in groups.values() if len(group) > 1],
    )


def _look(path: Path) -> Looked:
    """Open and decode one file; never raises for what the file is."""
    try:
        with opened(path) as image:
            found, upright = image.format or "", upright_rgb(image)
        return Looked(found, *upright.size, file_sha256(path))
    except (BadImage, DataMissing) as error:
        return Looked(bad=str(error))


def listed_bad(found: Inspection) -> str:
    """A line a file that cannot be decoded, as `bad_files.txt` of a run has them.

    Args:
        found: what was seen.
    """
    return "".join(f"{printable(name)}: {why}\n" for name, why in found.bad.items())


def told(found: Inspection) -> list[str]:
    """Lines for a person: what is there, then what is wrong with it.

    Args:
        found: what was seen.
    """
    return [*_there(found), *_doubts(found)]


def _there(found: Inspection) -> Iterator[str]:
    formats = ", ".join(f"{name} {n}" for name, n in Counter(found.formats).most_common())
    yield f"{found.scan.root}: {found.count} images ({formats})"
    if found.count:
        short = np.sort(found.sides.min(axis=1))
        yield (
            f"shorter side {short[0]} to {short[-1]} pixels, half of them {short[len(short) // 2]} or more"
        )
    yield counts_in_words(found.scan)
    if not found.tested:
        yield "no test split: how good a model is will not be known until some images are kept for a check"


def _doubts(found: Inspection) -> Iterator[str]:
    if found.bad:
        first = list(found.bad.items())[:_SHOWN]
        shown = "; ".join(f"{printable(name)}: {why}" for name, why in first)
        yield f"cannot be decoded: {len(found.bad)} ({shown}{_more(found.bad)}); they are left out"
    if found.duplicates:
        count = sum(len(group) - 1 for group in found.duplicates)
        shown = "; ".join(" = ".join(map(printable, g[:3])) for g in found.duplicates[:_SHOWN])
        yield f"same bytes as another: {count} ({shown}{_more(found.duplicates)})"
    if found.scan.passed.endings:
        yield f"passed over, no images by their endings: {in_words(dict(found.scan.passed.endings))}"
    if found.scan.unused:
        yield f"folders that nothing reads: {', '.join(map(printable, found.scan.unused))}"
    for one, other in look_alikes(found.scan.classes):
        yield f"classes {one!r} and {other!r} differ in spelling only; they count as two"
    if doubt := doubtful(found.scan):
        yield doubt


def _more(listed: Sequence[object] | Mapping[str, object]) -> str:
    return f"; and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
