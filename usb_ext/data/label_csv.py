"""Read the lines of a label CSV: `file name,class`, UTF-8, header line optional.

Written by people, spreadsheets and other programs: a byte order mark, Excel's semicolons and `sep=;`, tabs,
headers such as `image_id,label`, and lines without a class (scikit-learn writes -1 for "not labelled").

A file name that is no UTF-8 stands there byte for byte, and is read as `os.fsdecode` spells it; a class
must be UTF-8, so that a file in another encoding is refused.
"""

import codecs
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

    Columns after the second are passed over where a header names them.

    Raises:
        DataMissing: the file is missing or unreadable.
        SettingsError: another suffix than `.csv`, not UTF-8, or no CSV.
    """
    if path.suffix.lower() != ".csv":
        raise SettingsError(
            f"label file {path} ends in {path.suffix!r}; expected .csv (file name,class) or, for "
            ".json, a list of image positions"
        )
    text = label_text(path)
    rows = [(n, [c.strip() for c in cells]) for n, cells in cells_of(path, text) if any(cells)]
    for line, cells in rows:
        _check_utf8(path, line, cells[1:])
    if rows and rows[0][1][0].casefold().startswith("sep="):  # Excel's word on the delimiter
        rows = rows[1:]
    if not rows or not is_header(rows[0][1]):
        return rows
    return [(line, cells[:2]) for line, cells in rows[1:]] if len(rows[0][1]) > 2 else rows[1:]


def label_text(path: Path) -> str:
    """The text of a label CSV without a byte order mark; bytes that are no UTF-8 as `os.fsdecode` has them.

    Raises:
        DataMissing: the file is missing or unreadable.
        SettingsError: it is in an encoding of two bytes a letter.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataMissing(f"cannot read label file {path}: {error}") from error
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or "\0" in text:
        raise SettingsError(f"label file {path} is not UTF-8; save it as UTF-8")
    return text


def cells_of(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Every line of a label CSV as it stands, header and blank ones too: number and cells.

    Args:
        path: of the file, for messages.
        text: of it.

    Raises:
        SettingsError: no CSV.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise SettingsError(f"label file {path}, line {reader.line_num}: {error}") from error


def delimiter_of(text: str) -> str:
    """What stands between the cells: what `sep=` says, or what cuts the most lines in two.

    Args:
        text: of a label CSV.
    """
    lines = text.splitlines()
    if lines and lines[0].casefold().startswith("sep=") and lines[0][4:5] in DELIMITERS:
        return lines[0][4:5] or ","

    def cut(delimiter: str) -> tuple[int, int]:
        found = [len(cells) for cells in csv.reader(lines, delimiter=delimiter)]
        return found.count(2), sum(count > 2 for count in found)

    return max(DELIMITERS, key=cut)


def _check_utf8(path: Path, line: int, cells: list[str]) -> None:
    """Refuse text in another encoding; file names alone may be any bytes.

    Raises:
        SettingsError: with the line.
    """
    if any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell):
        raise SettingsError(
            f"label file {path} is not UTF-8 (line {line}: {quoted(cells)}); save it as UTF-8"
        )


def _row(path: Path, line: int, cells: list[str]) -> LabelRow:
    """One line's two cells."""
    if len(cells) != 2 or not cells[0]:
        raise SettingsError(
            f"label file {path}, line {line}: {quoted(cells)} is not two cells; "
            "expected: file name,class (a comma between them)"
        )
    return LabelRow(line, *cells)


def is_header(cells: list[str]) -> bool:
    """Whether the first two cells of a line name columns instead of an image and its class."""
    words = ["".join(c for c in cell.casefold() if c.isalpha()) for cell in cells[:2]]
    if len(words) != 2 or "." in cells[0]:
        return False
    return bool(_FILE_HEADER.fullmatch(words[0]) and _CLASS_HEADER.fullmatch(words[1]))
