"""Read the lines of a label CSV: `file name,class`, UTF-8, header line optional.

Written by people, spreadsheets and other programs: a byte order mark, Excel's semicolons and `sep=;`, tabs,
headers such as `image_id,label`, and lines without a class (scikit-learn writes -1 for "not labelled").
"""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.errors import DataMissing, SettingsError, quoted
from usb_ext.data.image_names import normal_name

DELIMITERS = ",;\t"
"""What may stand between the two cells; the first one where several would do."""

NO_LABEL = frozenset(("", "-1", "-1.0", "unlabeled", "unlabelled"))
"""ours: what stands in the place of a class for an image that has no label, in small letters."""

_FILE_HEADER = re.compile(
    r"(?=.)(image|img|photo|picture|sample|file|data)*(names?|paths?|ids?|index|no)?"
)
_CLASS_HEADER = re.compile(r"(class|category|label|target)(class|label|name|id)?s?|classes|y")


@dataclass(frozen=True)
class LabelRow:
    """One label: the line it stands on (counted from 1), the image's file name, its class."""

    line: int
    file_name: str
    class_name: str

    @property
    def has_label(self) -> bool:
        """Whether a class stands there, if no class of the data set is called like a missing one."""
        return has_label(self.class_name)


def has_label(cell: str) -> bool:
    """Whether a cell names a class.

    Args:
        cell: the second of a line.
    """
    return cell.casefold() not in NO_LABEL


def label_rows(path: Path) -> list[LabelRow]:
    """The lines of a CSV in its order; blank lines are skipped, cells are stripped.

    Raises:
        DataMissing: the file is missing or unreadable.
        SettingsError: another suffix than `.csv`, a line without two cells, not UTF-8.
    """
    return [_row(path, line, cells) for line, cells in csv_rows(path)]


def label_file_classes(path: Path) -> tuple[str, ...]:
    """The class names that a label CSV mentions, sorted: the classes where no folder gives them.

    Raises:
        DataMissing: no such file.
        SettingsError: not a CSV of two columns (a `.json` list holds no classes).
    """
    return tuple(sorted({normal_name(r.class_name) for r in label_rows(path) if r.has_label}))


def csv_rows(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of a label CSV below its header, blank ones left out: number and stripped cells.

    Raises:
        DataMissing: the file is missing or unreadable.
        SettingsError: another suffix than `.csv`, not UTF-8, or no CSV.
    """
    if path.suffix.lower() != ".csv":
        raise SettingsError(
            f"label file {path} ends in {path.suffix!r}; expected .csv (file name,class) or, for "
            ".json, a list of image positions"
        )
    text = _text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        rows = [(reader.line_num, [c.strip() for c in cells]) for cells in reader if any(cells)]
    except csv.Error as error:
        raise SettingsError(f"label file {path}, line {reader.line_num}: {error}") from error
    if rows and rows[0][1][0].casefold().startswith("sep="):  # Excel's word on the delimiter
        rows = rows[1:]
    return rows[1:] if rows and _is_header(rows[0][1]) else rows


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataMissing(f"cannot read label file {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"label file {path} is not UTF-8: {error}; save it as UTF-8") from error


def _delimiter(text: str) -> str:
    """What cuts the most lines in two."""
    lines = text.splitlines()
    if lines and lines[0].casefold().startswith("sep=") and lines[0][4:5] in DELIMITERS:
        return lines[0][4:5] or ","

    def pairs(delimiter: str) -> int:
        return sum(len(cells) == 2 for cells in csv.reader(lines, delimiter=delimiter))

    return max(DELIMITERS, key=pairs)


def _row(path: Path, line: int, cells: list[str]) -> LabelRow:
    """One line's two cells."""
    if len(cells) != 2 or not cells[0]:
        raise SettingsError(
            f"label file {path}, line {line}: {quoted(cells)} is not two cells; "
            "expected: file name,class (a comma between them)"
        )
    return LabelRow(line, *cells)


def _is_header(cells: list[str]) -> bool:
    """Whether the cells name columns instead of an image and its class."""
    words = ["".join(c for c in cell.casefold() if c.isalpha()) for cell in cells]
    if len(words) != 2 or "." in cells[0]:
        return False
    return bool(_FILE_HEADER.fullmatch(words[0]) and _CLASS_HEADER.fullmatch(words[1]))
