"""`prior.npz`: prior pseudo-labels of a training set's images (AS3L, Sec. 4.3).

Arrays: `prior` (N, C) float32, rows of zeros where there is no prior; `ids` (N,) as in `features.npz`;
`classes` (C,) names, in the order of the columns; `dataset` where known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.image_names import ImageIds
from usb_ext.data.npz_file import read_arrays, write_arrays
from usb_ext.settings.feature_set import of_another

HOW = "`usb-ext propagate` writes one"
ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class Prior:
    """The content of a prior file.

    Attributes:
        values: (N, C) float32, rows at least 0 that sum to at most 1.
        ids: (N,) positions or file names.
        classes: C names.
        dataset: name of the data set, or None.
    """

    values: NDArray[np.float32]
    ids: NDArray[Any]
    classes: tuple[str, ...]
    dataset: str | None = None


def write_prior(path: Path, prior: Prior) -> None:
    """Write the file whole or not at all."""
    named = {"dataset": np.asarray(prior.dataset)} if prior.dataset else {}
    arrays = {"prior": prior.values, "ids": prior.ids, "classes": np.array(prior.classes)}
    write_arrays(path, {**arrays, **named})


def read_prior(path: Path) -> Prior:
    """Read and check a prior file.

    Raises:
        DataMissing: no such file, or not the content of one.
    """
    arrays = read_arrays(path, "prior_file", HOW)
    if missing := {"prior", "ids", "classes"} - set(arrays):
        raise DataMissing(f"prior_file {path} lacks {', '.join(sorted(missing))}; {HOW}")
    values, ids, classes = arrays["prior"], arrays["ids"], arrays["classes"]
    if values.shape != (len(ids), len(classes)) or values.dtype.kind != "f":
        raise DataMissing(
            f"prior in {path} is {values.dtype} {values.shape} for {len(ids)} ids and "
            f"{len(classes)} classes; {HOW}"
        )
    sums = values.sum(axis=1)
    if not np.isfinite(sums).all() or values.min(initial=0) < 0 or sums.max() > 1 + ROUNDING:
        raise DataMissing(f"prior in {path} has rows that are no shares of at most 1; {HOW}")
    dataset = str(arrays["dataset"]) if "dataset" in arrays else None
    return Prior(values.astype(np.float32), ids, tuple(map(str, classes)), dataset)


def prior_of(
    path: Path,
    images: ImageIds,
    wanted: NDArray[np.int64],
    num_classes: int,
    classes: Sequence[str] | None,
    dataset: str,
) -> NDArray[np.float32]:
    """Prior pseudo-labels of a run's unlabelled images.

    Args:
        path: the file.
        images: the run's training images.
        wanted: (U,) positions of the unlabelled ones.
        num_classes: C of the run.
        classes: class names of the run, None where unknown.
        dataset: its name.

    Returns:
        Shape (U, C): row i belongs to `idx_ulb` i.

    Raises:
        DataMissing: the file is not there or holds something else.
        SettingsError: it belongs to another data set: its name, ids or classes differ.
    """
    prior = read_prior(path)
    what = f"prior_file {path}"
    if of_another(prior.dataset, dataset):
        raise SettingsError(f"{what} is of dataset {prior.dataset}, but the run's is {dataset}")
    if len(prior.classes) != num_classes:
        raise SettingsError(
            f"{what} has {len(prior.classes)} classes, but num_classes is {num_classes}"
        )
    rows = np.full(images.count, -1, dtype=np.int64)
    rows[images.positions(prior.ids, what)] = np.arange(len(prior.ids))
    found = rows[wanted]
    if (lacking := int((found < 0).sum())) > 0:
        raise SettingsError(
            f"{what} lacks {lacking} of the {len(wanted)} unlabelled images, the first is "
            f"{wanted[found < 0][0]}; make it from features of all training images"
        )
    return prior.values[found][:, _columns(what, prior.classes, classes)]


def _columns(what: str, given: tuple[str, ...], classes: Sequence[str] | None) -> list[int]:
    """The column of each class of the run: by name where both sides have names."""
    if classes is None:
        return list(range(len(given)))
    if set(given) != set(classes):
        only = sorted(set(given) ^ set(classes))[0]
        raise SettingsError(f"{what} and the data set have different classes, such as {only!r}")
    return [given.index(name) for name in classes]
