"""The data of a run, ready, and the choice of its labelled part."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.data.folds import fold_summary, unlabelled_summary, warn_of_missing_classes
from usb_ext.data.label_files import read_label_file
from usb_ext.data.reduced_class import reduced_class
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
        unlabelled: counts and balance of the unlabelled set, for the record only.
    """

    datasets: dict[str, Any]
    labelled: IntArray
    summary: dict[str, Any]
    classes: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = ()
    unlabelled: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """Positions of the labelled and unlabelled images, and the classes of the labelled ones."""

    labelled: IntArray
    labelled_targets: IntArray
    unlabelled: IntArray
    imbalance_class: int | None = None

    def prepared(
        self,
        args: Any,
        datasets: dict[str, Any],
        targets: IntArray,
        classes: tuple[str, ...] | None = None,
        skipped: tuple[str, ...] = (),
    ) -> Prepared:
        """The data sets made from this split, with what its fold and its unlabelled set look like.

        Args:
            args: the run's namespace.
            datasets: USB's names to data sets.
            targets: (N,) class of each training image, -1 unknown.
            classes: class names, where known.
            skipped: files left out.
        """
        known = targets.copy()
        known[self.labelled] = self.labelled_targets
        fold = fold_summary(known, self.labelled, args.num_classes)
        if args.label_split != "per_class":  # there the settings leave a class out, and it is said
            warn_of_missing_classes(fold, classes)
        unlabelled = unlabelled_summary(
            known, self.unlabelled, args.num_classes, self.imbalance_class, args.imbalance_fraction
        )
        return Prepared(datasets, self.labelled, dict(fold), classes, skipped, dict(unlabelled))


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
    reduced = reduced_class(args.imbalance_class, args.num_classes, args.label_seed)
    unlabelled = unlabelled_indices(
        targets,
        labelled,
        num_classes=args.num_classes,
        include_lb_to_ulb=args.include_lb_to_ulb,
        label_seed=args.label_seed,
        ulb_num_labels=args.ulb_num_labels,
        ulb_imb_ratio=args.ulb_imb_ratio,
        imbalance_class=reduced,
        imbalance_fraction=args.imbalance_fraction,
    )
    return Split(labelled, targets[labelled] if given is None else given, unlabelled, reduced)
