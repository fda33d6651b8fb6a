"""The data sets that usb_ext loads itself, served through USB's BasicDataset.

From settings to the data sets of a run, under USB's names: train_lb, train_ulb, eval, test; and val.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from usb_ext.augment.usb_views import (
    DroppedView,
    Jitter,
    KeptView,
    View,
    eval_transform,
    strong_transform,
    weak_transform,
)
from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ImageArrays,
    Images,
    load_digits_arrays,
)
from usb_ext.data.feature_views import FeatureArrays, KeptViews, load_feature_set
from usb_ext.data.folder_scan import FolderScan, read_class_list, scan_folder
from usb_ext.data.folds import fold_summary, unlabelled_summary
from usb_ext.data.image_cache import cache_files, cache_in_words
from usb_ext.data.image_names import ImageIds
from usb_ext.data.imagefolder import Look, load_scanned
from usb_ext.data.label_csv import label_file_classes
from usb_ext.data.prepared import IntArray, Prepared, Split, choose_split
from usb_ext.data.toy import TOYS, PointArrays, load_toy
from usb_ext.data.validation import without
from usb_ext.settings import Settings
from usb_ext.settings.algorithms import served_as
from usb_ext.settings.data import AUDIO, TEXTS
from usb_ext.settings.feature_set import ARRAYS, FEATURES
from usb_ext.settings.networks import made_for
from usb_ext.upstream.running import Arguments, Datasets, served
from usb_ext.upstream.usb import BasicDataset, RandAugment
from usb_ext.upstream.usb_datasets import IMAGES, load_usb_datasets

Arrays: TypeAlias = ImageArrays | PointArrays | FeatureArrays
AnyView: TypeAlias = Jitter | KeptView | View

OWN: list[str] = ["digits", "imagefolder", FEATURES, ARRAYS, *TOYS]
"""Their names, and those that `usb_ext.add_dataset` has added."""

IN_MEMORY = ("digits", *TOYS)
"""Those of them that are made within a moment, without a file of the user's."""

ADDED: dict[str, Callable[[Settings], ImageArrays | FeatureArrays]] = {}
"""What loads an added one, from the run's namespace."""

MEBIBYTE = 2**20


def add_dataset(name: str, load: Callable[[Settings], ImageArrays | FeatureArrays]) -> None:
    """Make a data set of your own known by its name, as a setting `dataset`.

    Args:
        name: one that no data set has yet.
        load: called with the settings of a run, such as `img_size` and `data_dir`; gives the images or
            features.

    Raises:
        ValueError: if the name is taken or empty.
    """
    if not name or name in (*OWN, *IMAGES, *TEXTS, *AUDIO):
        raise ValueError(f"data set name {name!r} is empty or taken")
    OWN.append(name)
    ADDED[name] = load


@dataclass(frozen=True)
class Source:
    """Where the images of a data set come from, before any is decoded.

    Attributes:
        scan: the files of a folder, for `imagefolder`.
        arrays: the images, for sets that lie in memory: digits, toys and added ones.
    """

    scan: FolderScan | None = None
    arrays: Arrays | None = None


def open_source(args: Settings, *, images_alone: bool = False) -> Source:
    """Find the images of a data set; of USB's own nothing is looked at.

    Args:
        args: settings, or a run's namespace.
        images_alone: a folder need have neither classes nor a test split, as for features.

    Raises:
        DataMissing, SettingsError: as in `scan_folder`; or a class list or label file that is wrong.
    """
    if args.dataset in ADDED:
        return Source(arrays=ADDED[args.dataset](args))
    if args.dataset == FEATURES:
        return Source(arrays=load_feature_set(args))
    if args.dataset in TOYS:
        return Source(arrays=load_toy(args))
    if args.dataset == "digits":
        return Source(arrays=load_digits_arrays(args.img_size))
    if args.dataset != "imagefolder":
        return Source()
    listed = read_class_list(Path(args.class_list), args.num_classes) if args.class_list else None
    label_file = str(args.label_file) if args.label_split == "file" else ""
    scan = scan_folder(
        Path(args.data_dir),
        label_file_classes(Path(label_file)) if label_file.lower().endswith(".csv") else None,
        listed,
        test="if there" if images_alone else "none" if args.without_test else "needed",
        need_classes=not images_alone,
    )
    return Source(scan=scan)


def told_of_cache(settings: Settings, *, images_alone: bool = False) -> list[str]:
    """A sentence about what `image_cache` takes; none where it is not asked for, or no images are there.

    Args:
        settings: of a run or stage.
        images_alone: as in `open_source`.

    Raises:
        DataMissing, SettingsError: as in `open_source` and `image_cache.cache_in_words`.
    """
    if settings.image_cache is None or not Path(settings.data_dir).is_dir():
        return []
    scan = open_source(settings, images_alone=images_alone).scan
    if scan is None:
        return []
    return [cache_in_words(cache_files(Path(settings.image_cache), scan, settings.img_size))]


def prepare_own(args: Arguments, source: Source | None = None) -> Prepared:
    """Build a data set that usb_ext loads itself.

    Args:
        args: the run's namespace; `dataset` is one of `OWN`.
        source: what `open_source` found for it; None looks now.

    Raises:
        DataMissing: files that are not there or cannot be read.
        SettingsError: a split that the data cannot give, or a wrong number of classes.
    """
    arrays = load_arrays(args, source or open_source(args))
    if len(arrays.classes) != args.num_classes:
        raise SettingsError(
            f"num_classes is {args.num_classes}, but {args.dataset} has {len(arrays.classes)} "
            f"classes; use --num_classes {len(arrays.classes)}"
        )
    targets = arrays.train_targets
    split = choose_split(args, targets, arrays.train_names, arrays.classes)
    datasets = _datasets(args, arrays, split)
    prepared = split.prepared(args, datasets, targets, arrays.classes, arrays.skipped)
    return replace(prepared, ids=ImageIds(len(targets), arrays.train_names))


def load_arrays(args: Settings, source: Source) -> Arrays:
    """All images of a data set of ours, before any split.

    Args:
        args: settings, or a run's namespace; `dataset` is one of `OWN`.
        source: what `open_source` found for it.
    """
    if source.arrays is not None:
        return source.arrays
    if source.scan is None:
        raise ValueError(f"dataset {args.dataset} is none of {OWN}")
    return load_scanned(
        source.scan,
        img_size=args.img_size,
        budget_bytes=args.cache_budget_mb * MEBIBYTE,
        skip_bad_images=args.skip_bad_images,
        look=_look(args.net),
        cache=None if args.image_cache is None else Path(args.image_cache),
    )


def _look(net: str) -> Look:
    """Mean and deviation for a folder's images: those that the network was made for, or ImageNet's."""
    made = made_for(net)
    return (IMAGENET_MEAN, IMAGENET_STD) if made is None else (made.mean, made.std)


def _none() -> IntArray:
    return np.empty(0, np.int64)


def _views(args: Settings, arrays: Arrays) -> tuple[AnyView, AnyView, AnyView]:
    """The weak, the strong and the evaluation view."""
    if isinstance(arrays, FeatureArrays) and arrays.made:
        noise = args.feature_noise or 0.0
        return DroppedView(noise), DroppedView(noise, args.feature_dropout or 0.0), DroppedView()
    if isinstance(arrays, FeatureArrays):
        counts = arrays.weak, arrays.strong
        return KeptView(1, counts[0]), KeptView(1 + counts[0], counts[1]), KeptView(0, 1)
    if isinstance(arrays, PointArrays):
        return Jitter(args.toy_weak), Jitter(args.toy_strong), Jitter(0.0)
    size, ratio, flip = args.img_size, args.crop_ratio, arrays.hflip
    look = (arrays.mean, arrays.std)
    weak = weak_transform(size, ratio, *look, flip)
    strong = strong_transform(size, ratio, *look, flip, RandAugment(3, 5))
    return weak, strong, eval_transform(size, *look)


def _datasets(args: Arguments, arrays: Arrays, split: Split) -> Datasets:
    """USB's BasicDataset three times; the algorithm's name decides which views it serves."""
    weak, strong, evaluation = _views(args, arrays)
    labelled, labels = split.labelled, split.labelled_targets
    if args.algorithm == "fullysupervised":
        labelled = np.flatnonzero(without(arrays.train_targets, split.validation) >= 0)
        labels = arrays.train_targets[labelled]

    def dataset(
        images: Images | torch.Tensor | KeptViews,
        targets: IntArray,
        transform: AnyView,
        unlabelled: bool,
    ) -> BasicDataset:
        strong_view = None if transform is evaluation else strong
        return BasicDataset(
            served_as(args.algorithm),
            images,
            targets,
            args.num_classes,
            transform,
            is_ulb=unlabelled,
            strong_transform=strong_view,
            onehot=False,
        )

    images, targets = arrays.train_images, arrays.train_targets
    held_out = split.validation
    validation = dataset(images[held_out], split.validation_targets, evaluation, False)
    tested = dataset(arrays.test_images, arrays.test_targets, evaluation, False)
    return {
        "train_lb": dataset(images[labelled], labels, weak, False),
        "train_ulb": dataset(images[split.unlabelled], targets[split.unlabelled], weak, True),
        "eval": None if args.without_test else tested,
        "test": None,
        "val": validation if len(held_out) else None,
    }


def prepare(args: Arguments, source: Source | None = None) -> Prepared:
    """Build the data sets that the settings name.

    Args:
        args: the run's namespace.
        source: what `open_source` found for it; None looks now.

    Raises:
        DataMissing: files that are not there or cannot be read.
        SettingsError: a split that the data cannot give, or a wrong number of classes.
    """
    if args.dataset in OWN:
        return prepare_own(args, source)
    datasets, targets, split = load_usb_datasets(
        args, lambda targets: choose_split(args, targets, None, ())
    )
    if split is None or targets is None:
        return counted(args, datasets)
    positions, total = usb_positions(args, split, len(targets), len(served(datasets, "train_ulb")))
    known = np.concatenate([targets, np.full(total - len(targets), -1)]).astype(np.int64)
    prepared = replace(split, unlabelled=positions).prepared(args, datasets, known)
    return replace(prepared, ids=ImageIds(total))


def counted(args: Arguments, datasets: Datasets) -> Prepared:
    """Data sets that USB has split itself, with what it serves in numbers.

    Args:
        args: the run's namespace.
        datasets: USB's names to data sets.

    Raises:
        SettingsError: a labelled image of a class that the network has no output for.
    """
    labels = np.asarray(served(datasets, "train_lb").targets, dtype=np.int64)
    if (most := int(labels.max(initial=-1)) + 1) > args.num_classes:
        raise SettingsError(
            f"num_classes is {args.num_classes}, but {args.dataset} has {most} classes; use --num_classes "
            f"{most}"
        )
    fold = fold_summary(labels, np.arange(len(labels)), args.num_classes)
    others = datasets["train_ulb"]
    targets = _none() if others is None else np.asarray(others.targets, dtype=np.int64)
    unlabelled = unlabelled_summary(
        np.where(targets < args.num_classes, targets, -1),  # Semi-Aves: classes outside
        np.arange(len(targets)),
        args.num_classes,
        None,
        None,
    )
    return Prepared(datasets, _none(), dict(fold), unlabelled=dict(unlabelled))


def usb_positions(args: Arguments, split: Split, known: int, served: int) -> tuple[IntArray, int]:
    """Where the images that USB serves as unlabelled stand in its training set.

    STL-10 has two parts: its 5,000 images with classes come first here, then its 100,000 others; USB
    serves the others, then all with classes but those held out, and the labelled ones first if they are
    included.

    Args:
        args: the run's namespace.
        split: labelled and unlabelled positions among the images with classes.
        known: number of training images with classes.
        served: number of unlabelled images.

    Returns:
        Positions (served,), and the number of training images.
    """
    if args.dataset != "stl10":
        return split.unlabelled, known
    own = split.labelled if args.include_lb_to_ulb else split.labelled[:0]
    held_out = split.validation
    total = served - len(own) + len(held_out)
    classed = np.setdiff1d(np.arange(known), held_out)
    order = (own, np.arange(known, total), classed)
    return np.concatenate(order).astype(np.int64), total
