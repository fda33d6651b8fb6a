"""`label_split: file`: which images are labelled, and of what class, read from a file.

A `.json` file is a list of positions in the training set, `[12, 7, 803]`, or the `selected.json` of
`usb-ext select`, whose images then have the labels of the data set. A `.csv` file names images and their
classes, `cats/01.jpg,cat` a line, with or without a header `file name,class`.

`selected.json`: which images are to be labelled, in which order.

Keys: `ids` (positions in the training set, or file names), `order` (0 first), `cluster` (the cluster each
stands for, -1 for none), `files` (file names or null), `strategy`, `seed`, `dataset`. A plain list of
positions, such as the `labelled.json` of a run, is read too.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import DataMissing, SettingsError, quoted
from usb_ext.core.files import json_of, write_json
from usb_ext.data.image_names import NameIndex, normal_name
from usb_ext.data.label_csv import label_rows
from usb_ext.data.npz_file import make_folder


@dataclass(frozen=True, eq=False)
class Selected:
    """The content of a selection.

    Attributes:
        ids: positions or file names, in the order chosen.
        cluster: cluster of each, -1 for none.
        files: file name of each, None where images have none.
        strategy: how they were chosen.
        seed: of the choice.
        dataset: name of the data set, None where unknown.
    """

    ids: list[int] | list[str]
    cluster: list[int]
    files: list[str] | None = None
    strategy: str = "given"
    seed: int = 0
    dataset: str | None = None


def write_selected(path: Path, selected: Selected) -> None:
    """Write the file whole or not at all."""
    make_folder(path.parent)
    order = list(range(len(selected.ids)))
    write_json(path, {"format": "usb_ext selected 1", **vars(selected), "order": order})


def read_selected(path: Path) -> Selected:
    """Read a selection.

    Raises:
        DataMissing: no such file.
        SettingsError: not a selection, or an id twice.
    """
    content = read_json(path, "selection")
    entries = selected_ids(content)
    if not isinstance(entries, list) or not entries:
        raise SettingsError(
            f"{path} holds no selection; expected the selected.json of `usb-ext select`, or a list of "
            "positions such as [12, 7, 803]"
        )
    whole = all(isinstance(e, int) and not isinstance(e, bool) for e in entries)
    if not whole and not all(isinstance(e, str) for e in entries):
        raise SettingsError(f"{path}: ids must be all positions or all file names")
    if len(set(entries)) < len(entries):
        twice = next(e for e in entries if entries.count(e) > 1)
        raise SettingsError(f"{path}: id {twice} stands there more than once")
    given: dict[str, Any] = content if isinstance(content, dict) else {}
    return Selected(
        entries,
        given.get("cluster") or np.full(len(entries), -1).tolist(),
        given.get("files"),
        given.get("strategy", "given"),
        given.get("seed", 0),
        given.get("dataset"),
    )


def selected_ids(content: Any) -> Any:
    """The ids of a selection, or the content itself where it is something else."""
    return content["ids"] if isinstance(content, dict) and "ids" in content else content


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        what: what it is called in messages.

    Raises:
        DataMissing: it cannot be read.
        SettingsError: it is not JSON.
    """
    try:
        return json_of(path)
    except OSError as error:
        raise DataMissing(f"cannot read {what} {path}: {error}") from error
    except ValueError as error:  # malformed (with its line), too deep, or not UTF-8
        raise SettingsError(f"{what} {path} is not JSON: {error}") from error


IntArray = NDArray[np.int64]
_SHOWN = 10
_log = logging.getLogger(__name__)


def read_label_file(
    path: Path,
    *,
    targets: IntArray,
    classes: Sequence[str],
    names: Sequence[str] | None = None,
) -> tuple[IntArray, IntArray | None]:
    """Read which images are labelled.

    Args:
        path: a `.json` or `.csv` file.
        targets: class of each training image as the data set knows it, shape (N,), -1 unknown.
        classes: the K class names.
        names: file name of each training image, N of them; None if the images have none.

    Returns:
        Positions, shape (n,), in the file's order; for a CSV also the class of each, shape (n,).

    Raises:
        DataMissing: no such file.
        SettingsError: bad lines (each is named), or a format that the data set cannot use.
    """
    if path.suffix.lower() == ".json":
        return _read_positions(path, targets, names), None
    if names is None:
        raise SettingsError(
            f"label file {path} names images by file, but those of this data set have no file "
            "names; use a .json list of image positions"
        )
    return _read_named(path, targets, classes, NameIndex(names))


def _read_positions(path: Path, targets: IntArray, names: Sequence[str] | None) -> IntArray:
    """Positions from a JSON list or a selection, checked against the training set."""
    entries = selected_ids(read_json(path, "label file"))
    if not isinstance(entries, list):
        raise SettingsError(
            f"label file {path} holds {type(entries).__name__}; expected a list like [12, 7, 803]"
        )
    images = NameIndex(names) if names and any(isinstance(e, str) for e in entries) else None
    problems: list[str] = []
    first: dict[int, int] = {}
    for number, entry in enumerate(entries, start=1):
        position = _position(entry, images)
        if isinstance(position, str):
            problems.append(f"entry {number}: {position}")
        elif not 0 <= position < len(targets):
            problems.append(f"entry {number}: {entry} is outside 0 to {len(targets) - 1}")
        elif targets[position] < 0:
            problems.append(f"entry {number}: the class of image {entry} is not known; use a .csv")
        elif (before := first.setdefault(position, number)) != number:
            problems.append(f"entry {number}: {entry} already stands at entry {before}")
    _raise_problems(path, problems, len(entries))
    return np.array(list(first), dtype=np.int64)


def _position(entry: object, images: NameIndex | None) -> int | str:
    """The position that an entry of a list means, or what is wrong with it."""
    if isinstance(entry, str) and images is not None:
        try:
            return images.find(entry)
        except LookupError as error:
            return str(error.args[0])
    if isinstance(entry, int) and not isinstance(entry, bool):
        return entry
    return f"{entry!r} is not a whole number"


def _read_named(
    path: Path, targets: IntArray, classes: Sequence[str], images: NameIndex
) -> tuple[IntArray, IntArray]:
    """Positions and classes from a CSV.

    ours: a class that contradicts the image's own folder is an error, not a correction.
    """
    class_of = {normal_name(name): c for c, name in enumerate(classes)}
    lines = label_rows(path)
    rows = [row for row in lines if row.has_label or normal_name(row.class_name) in class_of]
    if rows and len(rows) < len(lines):
        without = len(lines) - len(rows)
        _log.info(
            "%s: %d of %d lines name no class (-1 or empty): not labelled",
            path,
            without,
            len(lines),
        )
    problems: list[str] = []
    chosen: dict[int, int] = {}
    first: dict[int, int] = {}
    for row in rows:
        try:
            position = images.find(row.file_name)
        except LookupError as error:
            problems.append(f"line {row.line}: {error.args[0]}")
            continue
        label = class_of.get(normal_name(row.class_name))
        if label is None:
            known = ", ".join(list(classes)[:_SHOWN])
            problems.append(
                f"line {row.line}: unknown class {quoted(row.class_name)} (known: {known})"
            )
        elif targets[position] >= 0 and label != targets[position]:
            own = classes[targets[position]]
            problems.append(
                f"line {row.line}: {quoted(row.file_name)} is called {quoted(row.class_name)} but lies in "
                f"the folder of {own!r}"
            )
        elif (before := first.setdefault(position, row.line)) != row.line:
            problems.append(
                f"line {row.line}: {quoted(row.file_name)} already stands on line {before}"
            )
        else:
            chosen[position] = label
    _raise_problems(path, problems, len(rows))
    return np.array(list(chosen), dtype=np.int64), np.array(list(chosen.values()), dtype=np.int64)


def _raise_problems(path: Path, problems: list[str], total: int) -> None:
    """Raise one error with the first problems and the number of the others; or for no labels."""
    if total == 0:
        raise SettingsError(f"label file {path} holds no labels")
    if problems:
        raise SettingsError(f"label file {path}: {in_one_line(problems)}")


def in_one_line(problems: Sequence[str]) -> str:
    """The first ten problems of a file, and how many more there are.

    Args:
        problems: at least one, each with its line.
    """
    more = len(problems) - _SHOWN
    return "; ".join(problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
