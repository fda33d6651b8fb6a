"""From settings to the data sets of a run, under USB's names: train_lb, train_ulb, eval, test; and val."""

from dataclasses import replace
from typing import Any

import numpy as np

from usb_ext.data.image_names import ImageIds
from usb_ext.data.prepared import IntArray, Prepared, Split, choose_split
from usb_ext.data.sets import OWN, prepare_own
from usb_ext.upstream.usb_datasets import load_usb_datasets


def prepare(args: Any) -> Prepared:
    """Build the data sets that the settings name.

    Args:
        args: the run's namespace.

    Raises:
        DataMissing: files that are not there or cannot be read.
        SettingsError: a split that the data cannot give, or a wrong number of classes.
    """
    if args.dataset in OWN:
        return prepare_own(args)
    datasets, targets, split = load_usb_datasets(
        args, lambda targets: choose_split(args, targets, None, ())
    )
    if split is None:
        return Prepared(datasets, np.empty(0, np.int64), {})
    positions, total = usb_positions(args, split, len(targets), len(datasets["train_ulb"]))
    prepared: Prepared = split.prepared(args, datasets, targets)
    return replace(prepared, positions=positions, ids=ImageIds(total))


def usb_positions(args: Any, split: Split, known: int, served: int) -> tuple[IntArray, int]:
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
