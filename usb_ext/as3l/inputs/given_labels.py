"""The labels that propagation starts from: a person's CSV `id,class`, or the classes of the data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.as3l.inputs.feature_images import FeatureImages
from usb_ext.core.errors import SettingsError
from usb_ext.data.features import Features
from usb_ext.data.image_names import NameIndex, normal_name
from usb_ext.data.label_csv import csv_rows, has_label
from usb_ext.data.label_files import Selected, read_selected

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
    known = tuple(classes or sorted({c[1] for _, c in lines if len(c) == 2 and has_label(c[1])}))
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


@dataclass(frozen=True, eq=False)
class AskedBefore:
    """What a person was asked before.

    Attributes:
        rows: (n,) rows of the features file.
        classes: the class of each as written; "" where none stands there yet.
    """

    rows: NDArray[np.int64]
    classes: list[str]


def read_asked(path: Path, ids: NDArray[Any]) -> AskedBefore:
    """Read which images have been labelled, or are waiting for a label.

    Args:
        path: a CSV of two cells a line, with or without a header `id,class`; the class may be missing.
        ids: (N,) ids of the features, as in `read_id_labels`.

    Raises:
        DataMissing: no such file.
        SettingsError: lines with an unknown id, or with one for the second time, each named; or no line.
    """
    lines = csv_rows(path)
    index = NameIndex([str(i) for i in ids])
    problems: list[str] = []
    found: dict[int, str] = {}
    for line, cells in lines:
        try:
            row = index.find(cells[0])
        except LookupError as error:
            problems.append(f"line {line}: {error.args[0]}")
            continue
        if row in found or len(cells) > 2:
            why = "stands there already" if row in found else f"has {len(cells)} cells, not two"
            problems.append(f"line {line}: {cells[0]!r} {why}")
        else:
            found[row] = cells[1] if len(cells) > 1 and has_label(cells[1]) else ""
    _refuse(path, problems, len(lines))
    return AskedBefore(np.fromiter(found, dtype=np.int64), list(found.values()))


def _problem(cells: list[str], index: NameIndex, class_of: dict[str, int]) -> str:
    """What is wrong with a line by itself; empty if nothing is."""
    if len(cells) > 2 or not cells[0]:
        return f"{cells} is not an id and a class with one comma between them"
    try:
        index.find(cells[0])
    except LookupError:
        return f"unknown id {cells[0]!r}"
    if len(cells) < 2 or not (has_label(cells[1]) or normal_name(cells[1]) in class_of):
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


_NAMED = 5


@dataclass(frozen=True, eq=False)
class GivenLabels:
    """Labels of some rows of a features file.

    Attributes:
        rows: (n,) rows.
        labels: (n,) class of each.
        classes: class names.
        truth: (N,) classes of all rows in the same numbers, -1 unknown; None where nothing tells.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    truth: NDArray[np.int64] | None


def given_labels(
    features: Features, images: FeatureImages, csv: Path | None, selection: Path | None
) -> GivenLabels:
    """Read the labels and check them against the features and the selection.

    Args:
        features: whose rows they are for.
        images: what is known of them.
        csv: `id,class` lines; None takes the classes of the data set for the selection.
        selection: a selection; None only with a CSV, which then names the labelled images itself.

    Raises:
        DataMissing: a file that is not there.
        SettingsError: no labels, labels that are wrong line by line, or selected images without one.
    """
    chosen = None if selection is None else _rows_of(features, read_selected(selection), selection)
    if csv is not None:
        found = read_id_labels(csv, features.ids, images.classes)
        if chosen is not None:
            _check_complete(csv, features, chosen, found.rows)
        truth = images.targets if images.classes is not None else None
        return GivenLabels(found.rows, found.labels, found.classes, truth)
    if chosen is None or selection is None:
        raise SettingsError("labels of the data set need --selected FILE, which says whose to take")
    if images.targets is None or images.num_classes is None:
        raise SettingsError(
            "the classes of the selected images are not known: give --labels FILE.csv (id,class), or name "
            "the data set with --c or --dataset"
        )
    labels = images.targets[chosen]
    if len(unknown := chosen[labels < 0]):
        raise SettingsError(
            f"{len(unknown)} selected images have no class in the data set, the first is "
            f"{features.ids[unknown[0]]}; give --labels FILE.csv (id,class)"
        )
    names = images.classes or tuple(map(str, range(images.num_classes)))
    return GivenLabels(chosen, labels, names, images.targets)


def _rows_of(features: Features, selected: Selected, path: Path) -> NDArray[np.int64]:
    """Rows of the features that a selection names, (n,)."""
    if None not in (selected.dataset, features.dataset) and selected.dataset != features.dataset:
        raise SettingsError(
            f"{path} is of dataset {selected.dataset}, but the features are of {features.dataset}"
        )
    index = NameIndex([str(i) for i in features.ids])
    try:
        found = [index.find(str(entry)) for entry in selected.ids]
    except LookupError:
        missing = [e for e in selected.ids if not _has(index, str(e))]
        shown = ", ".join(map(str, missing[:_NAMED]))
        raise SettingsError(
            f"{path} names {len(missing)} images that the features file lacks ({shown}); the two are of "
            "different data sets"
        ) from None
    return np.array(found, dtype=np.int64)


def _has(index: NameIndex, name: str) -> bool:
    try:
        index.find(name)
    except LookupError:
        return False
    return True


def _check_complete(
    csv: Path, features: Features, chosen: NDArray[np.int64], labelled: NDArray[np.int64]
) -> None:
    """Raise and name selected images that the CSV leaves out."""
    lacking = features.ids[np.setdiff1d(chosen, labelled)]
    if len(lacking):
        shown = ", ".join(map(str, lacking[:_NAMED]))
        raise SettingsError(
            f"label file {csv} lacks {len(lacking)} of the {len(chosen)} selected images ({shown}); label "
            "them too, or leave --selected out to use the labels that are there"
        )
