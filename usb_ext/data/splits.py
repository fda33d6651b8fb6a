"""Which training images are labelled, and which are served without their label.

`random` is the random-label benchmark of the Smooth Pseudo-Labeling paper (sec. 4.5, Appendix A.4):
labels drawn uniformly from the whole set, with no class balance. `per_class` is the usual
benchmark, with USB's rule for class imbalance. Both read a prefix of ONE permutation of the images
that depends on `label_seed` alone, so the n-label fold of a seed lies inside each larger one.

Symbols: N training images, K classes; a target of -1 is an image whose class is not known.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.data.class_counts import class_counts, first_of_each_class, seeded_order
from usb_ext.data.reduced_class import without_most_of

IntArray = NDArray[np.int64]
_log = logging.getLogger(__name__)


def label_indices(
    targets: IntArray,
    *,
    num_classes: int,
    num_labels: int,
    label_split: str,
    label_seed: int,
    lb_imb_ratio: float = 1.0,
) -> IntArray:
    """Positions of the labelled images: shape (n,), no position twice.

    Args:
        targets: class of each training image, shape (N,); -1 is never labelled.
        num_labels: labels in all; the head class's count when lb_imb_ratio is not 1.
        label_split: `per_class` (ordered class by class) or `random` (in the order drawn).
        label_seed: >= 0; independent of the training seed.

    Raises:
        SettingsError: more labels than images, an uneven split, or a setting out of range.
    """
    order = seeded_order(len(targets), label_seed)
    order = order[targets[order] >= 0]
    if label_split == "per_class":
        counts = class_counts(num_labels, num_classes, lb_imb_ratio, "num_labels")
        _check_enough(targets, counts)
        return first_of_each_class(order, targets, counts)
    if label_split != "random":
        raise SettingsError(f"label_split is {label_split!r}; drawn splits: per_class, random")
    if lb_imb_ratio != 1.0:
        raise SettingsError(
            f"lb_imb_ratio is {lb_imb_ratio} but label_split: random ignores classes; "
            "use lb_imb_ratio: 1.0 or label_split: per_class"
        )
    if not 1 <= num_labels <= len(order):
        raise SettingsError(
            f"num_labels is {num_labels}, but {len(order)} training images have a known class; "
            f"use 1 to {len(order)}"
        )
    return order[:num_labels]


def unlabelled_indices(
    targets: IntArray,
    labelled: IntArray,
    *,
    num_classes: int,
    include_lb_to_ulb: bool,
    label_seed: int,
    ulb_num_labels: int | None = None,
    ulb_imb_ratio: float = 1.0,
    imbalance_class: int | None = None,
    imbalance_fraction: float | None = None,
) -> IntArray:
    """Positions of the images served as unlabelled: shape (m,), the labelled first if included.

    They are the complement of `labelled`, however those were chosen. With `ulb_num_labels` each
    class is cut to its count (`class_counts`); a class with fewer images gives all it has, as in
    USB. ours: images of unknown class (target -1) belong to no class and are always kept.

    Args:
        targets: shape (N,), as in `label_indices`.
        labelled: positions, shape (n,), each once.
        ulb_num_labels: None for all that remain; else the total, or the head class's count.
        imbalance_class: a class that then keeps only `imbalance_fraction` of what remains of it.

    Raises:
        SettingsError: an imbalance ratio without `ulb_num_labels`, a position twice or outside the
            set, or no image left.
    """
    if ulb_num_labels is None and ulb_imb_ratio != 1.0:
        raise SettingsError(
            f"ulb_imb_ratio is {ulb_imb_ratio} but ulb_num_labels is not set; set it to the number "
            "of unlabelled images of the largest class, or use ulb_imb_ratio: 1.0"
        )
    free = _complement(len(targets), labelled)
    rest = np.flatnonzero(free).astype(np.int64)
    if ulb_num_labels is not None:
        counts = class_counts(ulb_num_labels, num_classes, ulb_imb_ratio, "ulb_num_labels")
        order = seeded_order(len(targets), label_seed)
        known = first_of_each_class(order[free[order]], targets, counts)
        if len(known) < sum(counts):
            _log.warning("%d unlabelled images asked for, there are %d", sum(counts), len(known))
        rest = np.concatenate([known, rest[targets[rest] < 0]])
    rest = without_most_of(rest, targets, imbalance_class, imbalance_fraction, label_seed)
    chosen = np.concatenate([labelled, rest]) if include_lb_to_ulb else rest
    if len(chosen) == 0:
        raise SettingsError(
            f"all {len(targets)} training images are labelled or left out by imbalance_fraction, so none "
            "is left as unlabelled; lower num_labels or set include_lb_to_ulb: true"
        )
    return chosen.astype(np.int64)


def _check_enough(targets: IntArray, counts: list[int]) -> None:
    """Raise if a class has fewer images than labels asked of it; warn if a class gets none."""
    have = np.bincount(targets[targets >= 0], minlength=len(counts))
    for c, count in enumerate(counts):
        if count > have[c]:
            raise SettingsError(
                f"num_labels asks for {count} labels of class {c}, which has {have[c]} images; "
                "lower num_labels or use label_split: random"
            )
    if empty := [c for c, count in enumerate(counts) if count == 0]:
        _log.warning("classes without a label: %s (num_labels and lb_imb_ratio)", empty)


def _complement(num_images: int, labelled: IntArray) -> NDArray[np.bool_]:
    """Mask of the positions that are not labelled, shape (N,)."""
    if len(labelled) and not (0 <= labelled.min() and labelled.max() < num_images):
        raise SettingsError(
            f"labelled positions run from {labelled.min()} to {labelled.max()}, but the training "
            f"set has {num_images} images (0 to {num_images - 1})"
        )
    free = np.ones(num_images, dtype=np.bool_)
    free[labelled] = False
    if (repeated := len(labelled) + int(free.sum()) - num_images) > 0:
        raise SettingsError(f"{repeated} labelled positions are repeated; give each image once")
    return free
