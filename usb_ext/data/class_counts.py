"""How many images each class gives, and which ones, in an order that a seed fixes.

USB's rule for class imbalance: with ratio g and K classes, class c of a head of n images gives
n * |g| ** (-c / (K - 1)), so the tail gives n / |g|; a negative g reverses the classes' order.
"""

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
