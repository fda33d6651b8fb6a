"""What is known of the images behind a features file: classes, file names, pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import Images
from usb_ext.data.features import Features
from usb_ext.data.fingerprint import (
    Fingerprint,
    read_fingerprint,
    refuse_file_of_other_data,
    training_images,
)
from usb_ext.data.sets import open_source
from usb_ext.data.training_set import list_training_set
from usb_ext.settings import Settings
from usb_ext.settings.feature_set import FEATURES, of_another

SHOWN = 5
"""Images that a message names."""


@dataclass(frozen=True, eq=False)
class FeatureImages:
    """The images of a features file, row by row.

    Attributes:
        targets: (N,) classes, -1 where unknown; None where nothing tells.
        classes: class names, None where nothing tells.
        dataset: name of the data set, or None.
        files: N file names, or None.
        pixels: the training images, or None without a data set.
        positions: (N,) place of each row among `pixels`.
        data: what the training images are, or were where no data set is named; None where nothing tells.
    """

    targets: NDArray[np.int64] | None
    classes: tuple[str, ...] | None
    dataset: str | None
    files: tuple[str, ...] | None = None
    pixels: Images | None = None
    positions: NDArray[np.int64] | None = None
    data: Fingerprint | None = None

    def picture(self, row: int) -> NDArray[np.uint8] | None:
        """Pixels of one image, uint8 (H, W, 3); None without a data set."""
        if self.pixels is None or self.positions is None:
            return None
        return np.asarray(self.pixels[int(self.positions[row])])

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None where nothing tells."""
        if self.classes is not None:
            return len(self.classes)
        largest = -1 if self.targets is None else int(self.targets.max())
        return largest + 1 if largest >= 0 else None


def images_of(features: Features, path: Path, settings: Settings | None) -> FeatureImages:
    """What the features file tells, and the data set where one is named.

    Args:
        features: the content of the file.
        path: its name, for messages.
        settings: name the data set; None goes without.

    Raises:
        DataMissing: the images are not there.
        SettingsError: the file is of another data set: name, images, ids or classes differ.
    """
    if settings is None:
        return FeatureImages(
            features.targets,
            features.class_names,
            features.dataset,
            _names(features),
            data=read_fingerprint(path.parent),
        )
    if of_another(features.dataset, settings.dataset):
        raise SettingsError(
            f"features file {path} is of dataset {features.dataset}, but dataset is {settings.dataset}"
        )
    source = open_source(settings, images_alone=True)
    data = training_images(settings, source)
    refuse_file_of_other_data(path, data, "features file")
    training = list_training_set(settings, source)
    positions = training.ids.positions(features.ids, f"features file {path}")
    targets = training.targets[positions]
    _check_same(path, features, targets)
    names = training.ids.names
    return FeatureImages(
        targets if (targets >= 0).any() else features.targets,
        training.classes or features.class_names,
        features.dataset if settings.dataset == FEATURES else settings.dataset,
        _names(features) if names is None else tuple(names[p] for p in positions),
        training.images,
        positions,
        data,
    )


def refuse_gaps(features: Features, path: Path, settings: Settings) -> None:
    """Refuse features that lack training images, each of which gets its prior pseudo-label from its own.

    Args:
        features: the content of the file.
        path: its name, for messages.
        settings: name the data set.

    Raises:
        DataMissing: the images are not there.
        SettingsError: how many images have no features, and the first of them; or ids of another data set.
    """
    ids = list_training_set(settings).ids
    had = np.zeros(ids.count, dtype=np.bool_)
    had[ids.positions(features.ids, f"features file {path}")] = True
    if had.all():
        return
    lacking = ids.ids()[~had]
    shown = ", ".join(map(str, lacking[:SHOWN])) + (", ..." if len(lacking) > SHOWN else "")
    raise SettingsError(
        f"features file {path} lacks {len(lacking)} of the {ids.count} training images of {settings.dataset} "
        f"({shown}); compute features of all of them, with `ids` where the rows are not in their order"
    )


def _names(features: Features) -> tuple[str, ...] | None:
    """The ids, where they are file names."""
    return tuple(map(str, features.ids)) if features.ids.dtype.kind == "U" else None


def _check_same(path: Path, features: Features, targets: NDArray[Any]) -> None:
    """Raise where the file's classes (N,) contradict those of the data set (N,)."""
    if features.targets is None:
        return
    both = (features.targets >= 0) & (targets >= 0)
    wrong = np.flatnonzero(both & (features.targets != targets))
    if len(wrong):
        raise SettingsError(
            f"features file {path} gives id {features.ids[wrong[0]]} the class "
            f"{features.targets[wrong[0]]}, the data set {targets[wrong[0]]} ({len(wrong)} such ids): "
            "it is of another data set"
        )
