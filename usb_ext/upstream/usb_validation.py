"""A validation set cut out of one of USB's data sets, which know none.

The images go to a copy of USB's evaluation set, so that they are prepared as that one's are. (Removed by: "a
validation split beside eval".)
"""

import copy
from typing import Any

import numpy as np

from usb_ext.core.errors import SettingsError


def with_validation(
    args: Any, datasets: dict[str, Any], held_out: Any, split: Any, num_images: int
) -> dict[str, Any]:
    """USB's dictionary with `val`.

    Args:
        args: the run's namespace.
        datasets: USB's dictionary.
        held_out: (v, ...) the validation images (or texts), None where USB made the split itself.
        split: with `validation` (v,) positions and `validation_targets` (v,); or None.
        num_images: N, images that were split.

    Raises:
        SettingsError: a validation set where USB's own split, or all images, are trained on.
    """
    if not (args.num_val or args.val_index_file):
        return datasets
    if split is None or args.algorithm == "fullysupervised":
        full = args.algorithm == "fullysupervised"
        why = "fullysupervised trains on every image of it" if full else "USB splits it itself"
        raise SettingsError(
            f"num_val or val_index_file asks for a validation set out of {args.dataset}, but {why}; "
            "leave both out"
        )
    validation = copy.copy(datasets["eval"])
    validation.data, validation.targets = held_out, split.validation_targets
    if args.dataset == "stl10":
        _take_out(datasets["train_ulb"], split.validation - num_images)
    return {**datasets, "val": validation}


def _take_out(unlabelled: Any, rows: Any) -> None:
    """Remove rows: USB serves all of STL-10's training images as unlabelled ones, at the end."""
    unlabelled.data = np.delete(unlabelled.data, rows, axis=0)
    unlabelled.targets = np.delete(unlabelled.targets, rows)
