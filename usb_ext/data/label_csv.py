"""Read the lines of a label CSV: `file name,class`, UTF-8, header line optional."""

import csv
from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.errors import DataMissing, SettingsError

_FILE_HEADERS = {"file", "file name", "file_name", "filename", "id", "image", "name", "path"}
_CLASS_HEADERS = {"category", "class", "class name", "class_name", "label", "target"}


@dataclass(frozen=True)
class LabelRow:
    """One label: the line it stands on (counted from 1), the image's file name, its class."""

    line: int
    file_name: str
    class_name: str


def label_rows(path: Path) -> list[LabelRow]:
    """The labels of a CSV in its order; blank lines are skipped, cells are stripped.

    ours: the first line is a header if its two cells are words such as `file name` and `class`.

    Raises:
        DataMissing: the file is missing or unreadable.
        SettingsError: another suffix than `.csv`, a line without exactly two cells, not UTF-8.
    """
    return [_row(path, line, cells) for line, cells in csv_rows(path)]


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
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle, strict=True)
            rows = [(reader.line_num, [c.strip() for c in cells]) for cells in reader if any(cells)]
    except OSError as error:
        raise DataMissing(f"cannot read label file {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"label file {path} is not UTF-8: {error}; save it as UTF-8") from error
    except csv.Error as error:
        raise SettingsError(f"label file {path}, line {reader.line_num}: {error}") from error
    return rows[1:] if rows and _is_header(rows[0][1]) else rows


def _row(path: Path, line: int, cells: list[str]) -> LabelRow:
    """One line's two cells."""
    if len(cells) != 2 or not all(cells):
        raise SettingsError(
            f"label file {path}, line {line}: {cells} is not two cells; "
            "expected: file name,class (a comma between them)"
        )
    return LabelRow(line, *cells)


def _is_header(cells: list[str]) -> bool:
    """Whether the cells name columns instead of an image and its class."""
    words = [cell.lower() for cell in cells]
    return len(words) == 2 and words[0] in _FILE_HEADERS and words[1] in _CLASS_HEADERS
