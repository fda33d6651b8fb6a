"""`features.npz`: one feature vector an image of a training set, and whose it is.

Arrays: `features` (N, d) float32; `ids` (N,), positions in the training set (whole numbers) or file
names (text); and where known `targets` (N,) classes with -1 for unknown, `dataset` (a name),
`class_names`, `tuned` (True after AS3L's fine-tuning, Sec. 4.4). A file of a user's own needs `features`
alone: its rows are then the training images in order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.arrays import blocks
from usb_ext.core.errors import DataMissing
from usb_ext.data.npz_file import read_arrays, write_arrays

HOW = (
    "`usb-ext pretrain` writes one, or numpy.savez(FILE, features=N x d, ids=positions in the training "
    "set or file names)"
)
Ids = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Features:
    """The content of a features file.

    Attributes:
        values: (N, d) float32, finite.
        ids: (N,) int64 positions or text, none twice.
        targets: (N,) int64, -1 unknown; None where the file has none.
        dataset: name of the data set, or None.
        class_names: or None.
        tuned: whether these are fine-tuned features.
    """

    values: NDArray[np.float32]
    ids: Ids
    targets: NDArray[np.int64] | None = None
    dataset: str | None = None
    class_names: tuple[str, ...] | None = None
    tuned: bool = False


def read_features(path: Path) -> Features:
    """Read and check a features file.

    Raises:
        DataMissing: no such file, no such array, shapes that do not fit, or values that are not finite.
    """
    arrays = read_arrays(path, "features file", HOW)
    if "features" not in arrays:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise DataMissing(f"features file {path} holds {held}, but no array `features`; {HOW}")
    values = arrays["features"]
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "fiu":
        raise DataMissing(
            f"features in {path} are {values.dtype} of shape {values.shape}; expected numbers N x d"
        )
    ids = _ids(path, arrays.get("ids"), len(values))
    values = np.ascontiguousarray(values, dtype=np.float32)
    _check_finite(path, values, ids)
    _check_words(path, arrays)
    names = arrays.get("class_names")
    return Features(
        values,
        ids,
        _targets(path, arrays.get("targets"), len(values)),
        str(arrays["dataset"]) if "dataset" in arrays else None,
        _class_names(path, names, arrays.get("targets")),
        bool(arrays.get("tuned", False)),
    )


KINDS = {"dataset": ("U", 0), "class_names": ("U", 1), "tuned": ("b", 0)}
"""Arrays beside the features: their NumPy kind and their axes."""


def _check_words(path: Path, arrays: Mapping[str, Any]) -> None:
    """Refuse a name or a mark that is of another kind than is written."""
    for name, (kind, axes) in KINDS.items():
        value = arrays.get(name)
        if value is not None and (value.dtype.kind != kind or value.ndim != axes):
            what = {"U": "text", "b": "True or False"}[kind]
            raise DataMissing(
                f"{name} in {path} is {value.dtype} of shape {value.shape}; expected {what} of {axes} axes"
            )


def write_features(path: Path, features: Features) -> None:
    """Write a features file whole or not at all; what is None is left out."""
    arrays = {
        "features": features.values,
        "ids": features.ids,
        "targets": features.targets,
        "dataset": features.dataset,
        "class_names": features.class_names,
        "tuned": features.tuned,
    }
    write_arrays(path, {k: np.asarray(v) for k, v in arrays.items() if v is not None})


def _ids(path: Path, ids: Any, count: int) -> Ids:
    """Positions or names, (N,), checked; 0 to N - 1 where the file has none."""
    if ids is None:
        return np.arange(count, dtype=np.int64)
    if ids.shape != (count,) or ids.dtype.kind not in "iuU":
        raise DataMissing(
            f"ids in {path} are {ids.dtype} of shape {ids.shape}; expected {count} whole numbers "
            "(positions in the training set) or file names"
        )
    found, counts = np.unique(ids, return_counts=True)
    if len(found) < count:
        raise DataMissing(f"ids in {path}: {found[counts.argmax()]} stands there more than once")
    return np.asarray(ids, dtype=np.str_ if ids.dtype.kind == "U" else np.int64)


def _targets(path: Path, targets: Any, count: int) -> NDArray[np.int64] | None:
    if targets is None:
        return None
    if targets.shape != (count,) or targets.dtype.kind not in "iu":
        raise DataMissing(
            f"targets in {path} are {targets.dtype} of shape {targets.shape}; expected {count} classes"
        )
    return np.asarray(targets, dtype=np.int64)


def _class_names(path: Path, names: Any, targets: Any) -> tuple[str, ...] | None:
    """The names of the classes, or None; there are as many as the targets call for."""
    if names is None:
        return None
    found = tuple(map(str, np.atleast_1d(names)))
    largest = -1 if targets is None or not targets.size else int(targets.max())
    if largest >= len(found):
        raise DataMissing(
            f"class_names in {path} are {len(found)}, but targets go up to {largest}; make it again"
        )
    return found


def _check_finite(path: Path, values: NDArray[np.float32], ids: Ids) -> None:
    """Raise and name the first row that holds NaN or an infinity."""
    good = [np.isfinite(values[rows]).all(axis=1) for rows in blocks(*values.shape)]
    bad = np.flatnonzero(~np.concatenate(good))
    if len(bad):
        raise DataMissing(
            f"features in {path}: {len(bad)} of {len(values)} rows hold NaN or infinite values, the "
            f"first is id {ids[bad[0]]}; compute them again"
        )
