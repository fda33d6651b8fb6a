"""The data of a run, ready, and the choice of its labelled part."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.data.label_files import read_label_file
from usb_ext.data.splits import label_indices, unlabelled_indices

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Prepared:
    """The data of a run.

    Attributes:
        datasets: USB's `train_lb`, `train_ulb`, `eval`, `test` (None where there is none).
        labelled: (n,) positions of the labelled images in the training set; empty where USB does not
            tell (ImageNet).
        summary: class coverage and counts of the labelled fold.
        classes: class names, where known.
        skipped: files left out because they could not be decoded.
    """

    datasets: dict[str, Any]
    labelled: IntArray
    summary: dict[str, Any]
    classes: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Positions of the labelled and unlabelled images, and the classes of the labelled ones."""

    labelled: IntArray
    labelled_targets: IntArray
    unlabelled: IntArray


def choose_split(
    args: Any, targets: IntArray, names: tuple[str, ...] | None, classes: tuple[str, ...]
) -> Split:
    """The labelled and unlabelled positions by `label_split`, `label_seed` and the counts.

    Args:
        args: the run's namespace.
        targets: (N,) class of each training image, -1 unknown.
        names: N file names or None.
        classes: class names, for label files.
    """
    given = None
    if args.label_split == "file":
        labelled, given = read_label_file(
            Path(args.label_file), targets=targets, classes=classes, names=names
        )
    else:
        labelled = label_indices(
            targets,
            num_classes=args.num_classes,
            num_labels=args.num_labels,
            label_split=args.label_split,
            label_seed=args.label_seed,
            lb_imb_ratio=args.lb_imb_ratio,
        )
    unlabelled = unlabelled_indices(
        targets,
        labelled,
        num_classes=args.num_classes,
        include_lb_to_ulb=args.include_lb_to_ulb,
        label_seed=args.label_seed,
        ulb_num_labels=args.ulb_num_labels,
        ulb_imb_ratio=args.ulb_imb_ratio,
    )
    return Split(labelled, targets[labelled] if given is None else given, unlabelled)
