"""Which training images are labelled, and which are served without their label.

`random` is the random-label benchmark of the Smooth Pseudo-Labeling paper (sec. 4.5, Appendix A.4):
labels drawn uniformly from the whole set, with no class balance. `per_class` is the usual
benchmark, with USB's rule for class imbalance. Both read a prefix of ONE permutation of the images
that depends on `label_seed` alone, so the n-label fold of a seed lies inside each larger one.

Symbols: N training images, K classes; a target of -1 is an image whose class is not known.

How many images each class gives, and which ones, in an order that a seed fixes.

USB's rule for class imbalance: with ratio g and K classes, class c of a head of n images gives
n * |g| ** (-c / (K - 1)), so the tail gives n / |g|; a negative g reverses the classes' order.

One class that loses unlabelled images: the imbalance ablation of the Smooth Pseudo-Labeling paper.

Sec. 4.3.3: in each fold one class, chosen at random, keeps only a fraction of its unlabelled images, so
that the unlabelled set is not distributed as the labelled one. The fraction is lost in the text: it is a
setting.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError

_LABEL_STREAM = 1  # ours: sets this permutation apart from any other that uses the same seed


def class_counts(total: int, num_classes: int, ratio: float, name: str) -> list[int]:
    """Number of images to take from each of the K classes: a list of K counts >= 0.

    Args:
        total: images in all if ratio is 1, otherwise of the head class; >= 1.
        ratio: head class over tail class; 1 for balance, otherwise |ratio| >= 1.
        name: the setting's name, for the message.

    Raises:
        SettingsError: `total` does not divide by K, or the ratio lies between -1 and 1.
    """
    if total < 1:
        raise SettingsError(f"{name} is {total}; it must be at least 1")
    if ratio == 1.0:
        _check_divides(total, num_classes, name)
        return [total // num_classes] * num_classes
    if not abs(ratio) >= 1.0 or num_classes < 2:
        raise SettingsError(
            f"the imbalance ratio that goes with {name} is {ratio}, for {num_classes} classes; use "
            "1.0 for balance, or with two classes or more a ratio >= 1 (or <= -1)"
        )
    shrink = np.power(1 / abs(ratio), 1 / (num_classes - 1))
    counts = [int(total * np.power(shrink, c)) for c in range(num_classes - 1)]
    counts.append(int(total / abs(ratio)))
    return counts if ratio > 0 else counts[::-1]


def seeded_order(num_images: int, label_seed: int) -> NDArray[np.int64]:
    """The permutation of range(N), shape (N,), that every split of this seed reads from its start.

    Raises:
        SettingsError: a negative seed.
    """
    if label_seed < 0:
        raise SettingsError(f"label_seed is {label_seed}; it must be 0 or more")
    rng = np.random.default_rng(np.random.SeedSequence((label_seed, _LABEL_STREAM)))
    return rng.permutation(num_images).astype(np.int64)


def first_of_each_class(
    order: NDArray[np.int64], targets: NDArray[np.int64], counts: list[int]
) -> NDArray[np.int64]:
    """The first counts[c] positions of class c along `order`, class by class.

    Args:
        order: distinct positions in `targets`, shape (m,).
        targets: class of each image, shape (N,).
        counts: K counts >= 0; a class with fewer images gives all it has.
    """
    of_order = targets[order]
    return np.concatenate([order[of_order == c][:count] for c, count in enumerate(counts)])


def _check_divides(total: int, num_classes: int, name: str) -> None:
    """Raise unless each class can give the same number of images."""
    if total % num_classes == 0:
        return
    below = total // num_classes * num_classes
    nearest = " or ".join(str(n) for n in (below, below + num_classes) if n)
    remedy = ", or label_split: random" if name == "num_labels" else ""
    raise SettingsError(
        f"{name} is {total}, which does not divide by the {num_classes} classes; "
        f"use {nearest}{remedy}"
    )


IntArray = NDArray[np.int64]
_CLASS_STREAM = 2  # ours: sets this draw apart from the permutation of the same seed


def reduced_class(chosen: int | str | None, num_classes: int, label_seed: int) -> int | None:
    """The class that `imbalance_class` means, 0 to K - 1, or None.

    ours: `random` depends on the label seed alone, so all folds of a seed reduce the same class.

    Args:
        chosen: a class, `random` or None.
        num_classes: K.
        label_seed: >= 0.
    """
    if chosen != "random":
        return None if chosen is None else int(chosen)
    rng = np.random.default_rng(np.random.SeedSequence((label_seed, _CLASS_STREAM)))
    return int(rng.integers(num_classes))


def without_most_of(
    positions: IntArray, targets: IntArray, one: int | None, fraction: float | None, label_seed: int
) -> IntArray:
    """The positions, less the images that the reduced class loses; order unchanged, shape (m',).

    The class keeps round(fraction n) of its n images, halves rounded up: the first along the seed's
    permutation, so that what a smaller fraction keeps is contained in what a larger one keeps.

    Args:
        positions: unlabelled images, shape (m,), each once; labelled ones are not among them.
        targets: class of each training image, shape (N,).
        one: the class, or None to keep everything.
        fraction: share that it keeps, in [0, 1].
        label_seed: >= 0.
    """
    if one is None or fraction is None:
        return positions
    rank = np.empty(len(targets), dtype=np.int64)
    rank[seeded_order(len(targets), label_seed)] = np.arange(len(targets))
    own = positions[targets[positions] == one]
    keep = int(np.floor(fraction * len(own) + 0.5))
    lost = own[np.argsort(rank[own])][keep:]
    kept: IntArray = positions[~np.isin(positions, lost)]
    return kept


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
