"""Points in the plane: the toy sets of Ren et al. (2020, Sec. 4.1, Figs. 1 and 2), by scikit-learn.

`linear` is two clouds that a line separates, `circles` one ring inside another, `moons` two half rings that
reach into each other. Of 1,040 training points 10 are labelled, 30 validate and 1,000 are unlabelled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import make_blobs, make_circles, make_moons

from usb_ext.settings import Settings

Points = tuple[NDArray[np.float64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class PointArrays:
    """A data set of N training and M test points of two classes, with the names that images have.

    Attributes:
        train_images: float32, shape (N, 2).
        train_targets: class of each, int64, shape (N,), 0 or 1.
        test_images: float32, shape (M, 2).
        test_targets: int64, shape (M,).
        classes: the two class names.
        train_names: None; points come from no files.
        skipped: none.
    """

    train_images: torch.Tensor
    train_targets: NDArray[np.int64]
    test_images: torch.Tensor
    test_targets: NDArray[np.int64]
    classes: tuple[str, ...] = ("0", "1")
    train_names: None = None
    skipped: Mapping[str, str] = field(default_factory=dict)


def _linear(count: int, noise: float, seed: int) -> Points:
    x, y = make_blobs(count, centers=[(-1, 0), (1, 0)], cluster_std=noise, random_state=seed)
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])  # so that the line is not an axis
    return x @ turn, y


def _circles(count: int, noise: float, seed: int) -> Points:
    x, y = make_circles(count, noise=noise, factor=0.5, random_state=seed)
    return x, y


def _moons(count: int, noise: float, seed: int) -> Points:
    x, y = make_moons(count, noise=noise, random_state=seed)
    return x, y


TOYS: dict[str, Callable[[int, float, int], Points]] = {
    "linear": _linear,
    "circles": _circles,
    "moons": _moons,
}
"""From number of points, noise and seed to points (n, 2) and classes (n,)."""

NOISE = {"linear": 0.25, "circles": 0.1, "moons": 0.1}
"""ours: standard deviation of the points around their cloud's centre or curve where `toy_noise` is None."""


def load_toy(args: Settings) -> PointArrays:
    """The points of a toy set, the same for every `seed` and `label_seed`.

    ours: noise, numbers of points and their seed are settings, since the paper names none but the split.

    Args:
        args: settings, or a run's namespace: `dataset`, `toy_noise`, `toy_train`, `toy_test`, `toy_seed`.
    """
    noise = NOISE[args.dataset] if args.toy_noise is None else args.toy_noise
    train_x, train_y = TOYS[args.dataset](args.toy_train, noise, 2 * args.toy_seed)
    test_x, test_y = TOYS[args.dataset](args.toy_test, noise, 2 * args.toy_seed + 1)
    return PointArrays(
        train_images=torch.from_numpy(train_x).float(),
        train_targets=train_y.astype(np.int64),
        test_images=torch.from_numpy(test_x).float(),
        test_targets=test_y.astype(np.int64),
    )
