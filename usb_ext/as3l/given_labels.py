"""The labels that propagation starts from: a person's CSV, or the classes of the data set."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from usb_ext.as3l.feature_images import FeatureImages
from usb_ext.core.errors import SettingsError
from usb_ext.data.features import Features
from usb_ext.data.id_labels import read_id_labels
from usb_ext.data.names import NameIndex
from usb_ext.data.selected_file import Selected, read_selected

_SHOWN = 5


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
        shown = ", ".join(map(str, missing[:_SHOWN]))
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
        shown = ", ".join(map(str, lacking[:_SHOWN]))
        raise SettingsError(
            f"label file {csv} lacks {len(lacking)} of the {len(chosen)} selected images ({shown}); label "
            "them too, or leave --selected out to use the labels that are there"
        )
