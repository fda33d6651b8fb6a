"""Labelled images held out of training, on which something is tuned: never the test split.

Influence weighting (Ren et al., 2020, Sec. 4.2) needs a validation set: 1,024 images in the paper, 64 to
5,000 in Fig. 4. Its images are neither labelled nor unlabelled training images, and its labels belong to
the label budget of the run.
"""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.data.label_files import read_label_file
from usb_ext.data.splits import seeded_order
from usb_ext.upstream.running import Arguments

IntArray = NDArray[np.int64]
_log = logging.getLogger(__name__)


def validation_part(
    args: Arguments,
    targets: IntArray,
    names: tuple[str, ...] | None,
    classes: tuple[str, ...],
    labelled: IntArray,
) -> tuple[IntArray, IntArray]:
    """Positions and classes of the validation images, each (v,); empty where none are asked for.

    Args:
        args: the run's namespace: `val_index_file`, or `num_val` and `label_seed`.
        targets: (N,) class of each training image, -1 unknown.
        names: N file names or None.
        classes: class names, for a file.
        labelled: positions that a label file has given to training already, (n,), or empty.

    Raises:
        DataMissing: no such file.
        SettingsError: bad lines in the file, an image that is labelled too, or too few images.
    """
    if args.val_index_file is not None:
        path = Path(args.val_index_file)
        chosen, given = read_label_file(path, targets=targets, classes=classes, names=names)
        _check_overlap(path, chosen, labelled)
    elif args.num_val:
        chosen = validation_indices(targets, args.num_val, args.label_seed, labelled)
        given = None
    else:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    of_chosen = targets[chosen] if given is None else given
    counts = np.bincount(of_chosen, minlength=args.num_classes)
    if empty := np.flatnonzero(counts == 0).tolist():
        _log.warning("classes without a validation image: %s", empty)
    return chosen, of_chosen


def validation_indices(
    targets: IntArray, num_val: int, label_seed: int, taken: IntArray
) -> IntArray:
    """A draw of `num_val` images, as even over the classes as they allow: positions (v,).

    ours: it reads the seed's permutation from the end, the labelled part reads it from the start, so
    the labelled images are the same with and without a validation set as long as there are enough, and
    a smaller validation set lies inside each larger one.

    Args:
        targets: (N,); an image of unknown class (-1) is never drawn.
        num_val: v >= 1.
        label_seed: >= 0.
        taken: positions that must not be drawn, (n,).

    Raises:
        SettingsError: fewer images than asked for.
    """
    order = seeded_order(len(targets), label_seed)[::-1]
    order = order[(targets[order] >= 0) & ~np.isin(order, taken)]
    if num_val >= len(order):
        raise SettingsError(
            f"num_val is {num_val}, but {len(order)} training images with a known class are left for "
            "training and validation together; lower it"
        )
    rank = np.empty(len(order), np.int64)
    for c in np.unique(targets[order]):
        own = targets[order] == c
        rank[own] = np.arange(own.sum())
    drawn: IntArray = order[np.argsort(rank, kind="stable")[:num_val]]
    return drawn


def without(targets: IntArray, held_out: IntArray) -> IntArray:
    """Targets (N,) with -1 at the positions held out (v,): no draw of labels takes those."""
    if not len(held_out):
        return targets
    free = targets.copy()
    free[held_out] = -1
    return free


def _check_overlap(path: Path, chosen: IntArray, labelled: IntArray) -> None:
    if both := sorted(set(chosen.tolist()) & set(labelled.tolist())):
        shown = ", ".join(map(str, both[:10])) + (", ..." if len(both) > 10 else "")
        raise SettingsError(
            f"val_index_file {path} and label_file share {len(both)} images (positions {shown}); an "
            "image is for validation or for training, not both"
        )
