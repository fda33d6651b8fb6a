"""A class list: which class folders of a data set count, and what number each class has.

ImageNet-100 (LayerMatch, Table 3) is ImageNet's folders with such a list. One folder name a line, such
as `n01440764`, in UTF-8; the first class is number 0. ours: blank lines and lines that begin with `#`
are passed over, and composed and decomposed spellings are one name.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.label_files import in_one_line
from usb_ext.data.names import normal_name

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
