"""The data sets that usb_ext loads itself, served through USB's BasicDataset."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from usb_ext.augment.usb_views import eval_transform, strong_transform, weak_transform
from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import ImageArrays
from usb_ext.data.class_list import read_class_list
from usb_ext.data.digits import load_digits_arrays
from usb_ext.data.image_names import ImageIds
from usb_ext.data.imagefolder import load_image_folder
from usb_ext.data.label_files import label_file_classes
from usb_ext.data.point_views import Jitter
from usb_ext.data.prepared import IntArray, Prepared, Split, choose_split
from usb_ext.data.toy import TOYS, PointArrays, load_toy
from usb_ext.data.validation import without
from usb_ext.settings.names import served_as
from usb_ext.upstream.usb import BasicDataset, RandAugment
from usb_ext.upstream.usb_datasets import AUDIO, IMAGES
from usb_ext.upstream.usb_texts import TEXTS

OWN: list[str] = ["digits", "imagefolder", *TOYS]
"""Their names, and those that `usb_ext.add_dataset` has added."""

ADDED: dict[str, Callable[[Any], ImageArrays]] = {}
"""What loads an added one, from the run's namespace."""

MEBIBYTE = 2**20


def add_dataset(name: str, load: Callable[[Any], ImageArrays]) -> None:
    """Put a data set beside ours.

    Args:
        name: the setting `dataset` that means it.
        load: from the run's namespace (`img_size`, `data_dir`, ...) to the images.

    Raises:
        ValueError: if the name is taken or empty.
    """
    if not name or name in (*OWN, *IMAGES, *TEXTS, *AUDIO):
        raise ValueError(f"data set name {name!r} is empty or taken")
    OWN.append(name)
    ADDED[name] = load


def prepare_own(args: Any) -> Prepared:
    """Build a data set that usb_ext loads itself.

    Args:
        args: the run's namespace; `dataset` is one of `OWN`.

    Raises:
        DataMissing: files that are not there or cannot be read.
        SettingsError: a split that the data cannot give, or a wrong number of classes.
    """
    arrays = load_arrays(args)
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


def load_arrays(args: Any, *, images_alone: bool = False) -> ImageArrays | PointArrays:
    """All images of a data set of ours, before any split.

    Args:
        args: settings, or a run's namespace; `dataset` is one of `OWN`.
        images_alone: a folder need have neither classes nor a test split, as for features.
    """
    if args.dataset in ADDED:
        return ADDED[args.dataset](args)
    if args.dataset in TOYS:
        return load_toy(args)
    if args.dataset == "digits":
        return load_digits_arrays(args.img_size)
    listed = read_class_list(Path(args.class_list), args.num_classes) if args.class_list else None
    from_file = args.label_split == "file" and str(args.label_file).lower().endswith(".csv")
    return load_image_folder(
        args.data_dir,
        img_size=args.img_size,
        budget_bytes=args.cache_budget_mb * MEBIBYTE,
        skip_bad_images=args.skip_bad_images,
        classes=label_file_classes(Path(args.label_file)) if from_file else None,
        only=listed,
        test="if there" if images_alone else "none" if args.without_test else "needed",
        need_classes=not images_alone,
    )


def _views(args: Any, arrays: ImageArrays | PointArrays) -> tuple[Any, Any, Any]:
    """The weak, the strong and the evaluation view."""
    if isinstance(arrays, PointArrays):
        return Jitter(args.toy_weak), Jitter(args.toy_strong), Jitter(0.0)
    size, ratio, flip = args.img_size, args.crop_ratio, arrays.hflip
    look = (arrays.mean, arrays.std)
    weak = weak_transform(size, ratio, *look, flip)
    strong = strong_transform(size, ratio, *look, flip, RandAugment(3, 5))
    return weak, strong, eval_transform(size, *look)


def _datasets(args: Any, arrays: ImageArrays | PointArrays, split: Split) -> dict[str, Any]:
    """USB's BasicDataset three times; the algorithm's name decides which views it serves."""
    weak, strong, evaluation = _views(args, arrays)
    labelled, labels = split.labelled, split.labelled_targets
    if args.algorithm == "fullysupervised":
        labelled = np.flatnonzero(without(arrays.train_targets, split.validation) >= 0)
        labels = arrays.train_targets[labelled]

    def dataset(images: Any, targets: IntArray, transform: Any, unlabelled: bool) -> Any:
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
