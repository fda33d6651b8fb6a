"""The data of a run, ready, and the choice of its labelled part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.data.folds import fold_summary, unlabelled_summary, warn_of_missing_classes
from usb_ext.data.image_names import ImageIds
from usb_ext.data.label_files import read_label_file
from usb_ext.data.splits import label_indices, reduced_class, unlabelled_indices
from usb_ext.data.validation import validation_part, without
from usb_ext.upstream.running import Arguments, Datasets

IntArray = NDArray[np.int64]


def _none() -> IntArray:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Prepared:
    """The data of a run.

    Attributes:
        datasets: USB's `train_lb`, `train_ulb`, `eval`, `test` (None where there is none).
        labelled: (n,) positions of the labelled images in the training set; empty where USB does not
            tell (ImageNet).
        summary: class coverage and counts of the labelled fold.
        classes: class names, where known.
        skipped: files left out because they could not be decoded, each with the reason.
        unlabelled: counts and balance of the unlabelled set, for the record only.
        validation: (v,) positions of the validation images in the training set; `datasets["val"]`.
        positions: (U,) position in the training set of each unlabelled image, in the order of
            `idx_ulb`; None where USB does not tell.
        ids: what the training images are called, or None.
        ignored: number of files that were passed over, by ending.
        duplicates: images whose bytes another one has too.
        sha256: digest of all of the data (`fingerprint`).
    """

    datasets: Datasets
    labelled: IntArray
    summary: dict[str, Any]
    classes: tuple[str, ...] | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    unlabelled: dict[str, Any] = field(default_factory=dict)
    validation: IntArray = field(default_factory=_none)
    positions: IntArray | None = None
    ids: ImageIds | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    sha256: str | None = None


@dataclass(frozen=True)
class Split:
    """Positions of the labelled, unlabelled and validation images, and the classes where given."""

    labelled: IntArray
    labelled_targets: IntArray
    unlabelled: IntArray
    imbalance_class: int | None = None
    validation: IntArray = field(default_factory=_none)
    validation_targets: IntArray = field(default_factory=_none)

    def prepared(
        self,
        args: Arguments,
        datasets: Datasets,
        targets: IntArray,
        classes: tuple[str, ...] | None = None,
        skipped: Mapping[str, str] | None = None,
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
        return Prepared(
            datasets,
            self.labelled,
            dict(fold),
            classes,
            skipped or {},
            dict(unlabelled),
            self.validation,
            self.unlabelled,
        )


def choose_split(
    args: Arguments, targets: IntArray, names: tuple[str, ...] | None, classes: tuple[str, ...]
) -> Split:
    """Labelled, unlabelled and validation positions by `label_split`, `label_seed` and the counts.

    Args:
        args: the run's namespace.
        targets: (N,) class of each training image, -1 unknown.
        names: N file names or None.
        classes: class names, for label files.

    Raises:
        DataMissing, SettingsError: a file or a split that the data cannot give.
    """
    given, labelled = None, _none()
    if args.label_split == "file":
        labelled, given = read_label_file(
            Path(args.label_file), targets=targets, classes=classes, names=names
        )
    held_out, held_targets = validation_part(args, targets, names, classes, labelled)
    free = without(targets, held_out)
    if args.label_split != "file":
        labelled = label_indices(
            free,
            num_classes=args.num_classes,
            num_labels=args.num_labels,
            label_split=args.label_split,
            label_seed=args.label_seed,
            lb_imb_ratio=args.lb_imb_ratio,
        )
    reduced = reduced_class(args.imbalance_class, args.num_classes, args.label_seed)
    unlabelled = unlabelled_indices(
        free,
        labelled,
        num_classes=args.num_classes,
        include_lb_to_ulb=args.include_lb_to_ulb,
        label_seed=args.label_seed,
        ulb_num_labels=args.ulb_num_labels,
        ulb_imb_ratio=args.ulb_imb_ratio,
        imbalance_class=reduced,
        imbalance_fraction=args.imbalance_fraction,
    )
    unlabelled = unlabelled[~np.isin(unlabelled, held_out)]
    if not len(unlabelled):
        raise SettingsError(
            f"num_val {len(held_out)} and num_labels {len(labelled)} leave no unlabelled image of "
            f"{len(targets)}; lower one of them"
        )
    labels = targets[labelled] if given is None else given
    return Split(labelled, labels, unlabelled, reduced, held_out, held_targets)
