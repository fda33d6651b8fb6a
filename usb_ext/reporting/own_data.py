"""The images that a run was made from, found again by its settings: labelled and evaluated ones."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.core.errors import DataMissing
from usb_ext.core.files import RunFolder, read_json
from usb_ext.data.feature_views import KeptViews
from usb_ext.data.fingerprint import fingerprint_of, refuse_other_data
from usb_ext.data.folder_scan import Listing
from usb_ext.data.label_files import read_label_file
from usb_ext.data.sets import OWN, Source, load_arrays, open_source, prepare
from usb_ext.data.streamed import StreamedImages
from usb_ext.engine.hooks.record import Progress
from usb_ext.engine.parts import Parts, Stop
from usb_ext.inference.inputs import One
from usb_ext.settings import Settings
from usb_ext.settings.data import AUDIO, TEXTS
from usb_ext.training.compose import build_namespace
from usb_ext.upstream.running import Datasets

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Examples:
    """Images or points with their classes.

    Attributes:
        items: n file names, arrays (H, W, 3) or points (d,).
        names: what each is called.
        targets: (n,) class numbers, -1 where not known.
    """

    items: Sequence[One]
    names: tuple[str, ...]
    targets: IntArray

    def first(self, most: int) -> "Examples":
        """The first of them, at most so many."""
        return Examples([self.items[i] for i in range(min(most, len(self.names)))], self.names[:most],
                        self.targets[:most])  # fmt: skip


class OwnData:
    """What a run was made from; a data set is opened when it is asked for, and at most once.

    Args:
        settings: of the run.
        folder: the run's.
    """

    def __init__(self, settings: Settings, folder: RunFolder) -> None:
        self.settings, self.folder = settings.model_copy(update={"image_cache": None}), folder
        self._source: Source | None = None
        self._datasets: Datasets | None = None

    def measured(self) -> Examples:
        """The images of the evaluation split.

        Raises:
            DataMissing: there is none, or its files are not there.
            SettingsError: data that are not those of the settings.
        """
        if self.settings.without_test:
            raise DataMissing("the run has no test split")
        self._check_kind()
        if self.settings.dataset not in OWN:
            return _served(self._usb(), "eval")
        source = self._found()
        if source.scan is not None:
            return _files(source.scan.root, source.scan.test)
        arrays = load_arrays(self.settings, source)
        return _pixels(arrays.test_images, arrays.test_targets, "test")

    def labelled(self) -> Examples:
        """The images that the run had labels of, in the order of its `labelled.json`.

        Raises:
            DataMissing, SettingsError: as in `measured`, or the list is not there.
        """
        self._check_kind()
        if self.settings.dataset not in OWN:
            return _served(self._usb(), "train_lb")
        path = self.folder.path / "labelled.json"
        positions = np.array(read_json(path, "the list", "the run was not begun"), dtype=np.int64)
        source = self._found()
        now = fingerprint_of(self.settings, source)
        refuse_other_data(
            self.folder.path, now, "the list of labelled images", "they are not shown"
        )
        found, names = self._training(source)
        return Examples(
            [found.items[int(p)] for p in positions],
            tuple(found.names[int(p)] for p in positions),
            self._classes_given(source, found.targets, names)[positions],
        )

    def _check_kind(self) -> None:
        if self.settings.dataset in (*TEXTS, *AUDIO):
            raise DataMissing(f"{self.settings.dataset} has no images")

    def _classes_given(self, source: Source, targets: IntArray, names: tuple[str, ...]) -> IntArray:
        """The class of each training image (N,), where a label file gives one that one."""
        file = self.settings.label_file if self.settings.label_split == "file" else None
        if not file:
            return targets
        known = source.scan if source.scan is not None else load_arrays(self.settings, source)
        given, classes = read_label_file(
            Path(file), targets=targets, classes=known.classes, names=names or None
        )
        targets = targets.copy()
        if classes is not None:
            targets[given] = classes
        return targets

    def _training(self, source: Source) -> tuple[Examples, tuple[str, ...]]:
        """The training images as positions count them, and their file names where they have some."""
        scan = source.scan
        if scan is not None and not self.settings.skip_bad_images:
            return _files(scan.root, scan.train), scan.train.names
        arrays = load_arrays(self.settings, source)
        if scan is not None and arrays.train_names is not None:
            listing = Listing(arrays.train_names, tuple(arrays.train_targets.tolist()))
            return _files(scan.root, listing), listing.names
        return _pixels(arrays.train_images, arrays.train_targets, "training"), ()

    def _found(self) -> Source:
        if self._source is None:
            self._source = open_source(self.settings)
        return self._source

    def _usb(self) -> Datasets:
        """The data sets of one of USB's own names."""
        if self._datasets is None:
            progress = Progress("off", logging.getLogger("usb_ext.run"))
            values = self.settings.model_dump(mode="json")
            device = torch.device("cpu")
            parts = Parts(device, self.settings.amp, self.folder, progress, {}, values, Stop())
            seeded = self.settings.model_copy(update={"label_seed": self.settings.split_seed})
            self._datasets = prepare(build_namespace(seeded, parts)).datasets
        return self._datasets


def _files(root: Path, listing: Listing) -> Examples:
    paths = [os.path.join(root, name) for name in listing.names]
    return Examples(paths, listing.names, np.array(listing.targets, dtype=np.int64))


def _pixels(images: object, targets: IntArray, split: str) -> Examples:
    """Images or points that lie in memory, by number."""
    if isinstance(images, torch.Tensor):
        images = images.numpy()
    if isinstance(images, KeptViews):
        raise DataMissing("the run is on features, which show no image")
    if not isinstance(images, np.ndarray | StreamedImages):
        raise DataMissing(f"the images are {type(images).__name__}, which is not understood")
    names = tuple(f"{split} image {number}" for number in range(len(images)))
    return Examples(images, names, targets)  # type: ignore[arg-type]


def _served(datasets: Datasets, name: str) -> Examples:
    """What one of USB's data sets holds.

    Raises:
        DataMissing: no such split.
    """
    found = datasets.get(name)
    if found is None:
        raise DataMissing(f"there is no split {name}")
    targets = np.asarray(found.targets, dtype=np.int64)
    if isinstance(found.data, np.ndarray) and found.data.dtype == np.uint8:
        return _pixels(found.data, targets, "test" if name == "eval" else "labelled")
    paths = [str(path) for path in found.data]
    return Examples(paths, tuple(paths), targets)
