"""Labels that a person filled in: a CSV `id,class`, for images that features or a selection name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.data.label_csv import csv_rows
from usb_ext.data.names import NameIndex, normal_name

_SHOWN = 10


@dataclass(frozen=True, eq=False)
class IdLabels:
    """Labels of some images.

    Attributes:
        rows: (n,) rows of the features file.
        labels: (n,) class of each.
        classes: class names; the numbers in `labels` count these.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


def read_id_labels(path: Path, ids: NDArray[Any], classes: Sequence[str] | None) -> IdLabels:
    """Read labels and check every line.

    Args:
        path: a CSV of two cells a line, with or without a header `id,class`.
        ids: (N,) ids of the features: positions, or file names, of which a unique ending is enough.
        classes: class names; None takes those of the CSV, sorted.

    Raises:
        DataMissing: no such file.
        SettingsError: lines with an unknown id, an unknown or missing class, or an id for the second
            time, each named; or no label at all.
    """
    lines = csv_rows(path)
    known = tuple(classes or sorted({c[1] for _, c in lines if len(c) == 2 and c[1]}))
    index = NameIndex([str(i) for i in ids])
    class_of = {normal_name(name): number for number, name in enumerate(known)}
    problems: list[str] = []
    found: dict[int, int] = {}
    first: dict[int, int] = {}
    for line, cells in lines:
        problem = _problem(cells, index, class_of)
        row = -1 if problem else index.find(cells[0])
        if not problem and first.setdefault(row, line) != line:
            problem = f"id {cells[0]!r} already stands on line {first[row]}"
        if problem:
            problems.append(f"line {line}: {problem}")
        else:
            found[row] = class_of[normal_name(cells[1])]
    _refuse(path, problems, len(lines))
    rows = np.fromiter(found, dtype=np.int64)
    return IdLabels(rows, np.fromiter(found.values(), dtype=np.int64), known)


def _problem(cells: list[str], index: NameIndex, class_of: dict[str, int]) -> str:
    """What is wrong with a line by itself; empty if nothing is."""
    if len(cells) > 2 or not cells[0]:
        return f"{cells} is not an id and a class with one comma between them"
    try:
        index.find(cells[0])
    except LookupError:
        return f"unknown id {cells[0]!r}"
    if len(cells) < 2 or not cells[1]:
        return f"id {cells[0]!r} has no class"
    if normal_name(cells[1]) not in class_of:
        return f"unknown class {cells[1]!r} (known: {', '.join(list(class_of)[:_SHOWN])})"
    return ""


def _refuse(path: Path, problems: list[str], total: int) -> None:
    if total == 0:
        raise SettingsError(f"label file {path} holds no labels; expected lines of id,class")
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise SettingsError(f"label file {path}: {'; '.join(problems[:_SHOWN])}{more}")
