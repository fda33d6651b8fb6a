"""Small sets of features with known classes, and the files that commands read."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]


def random_points(count: int, width: int, seed: int, dtype: Any = np.float64) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(dtype)


def blobs(
    classes: int, each: int, width: int = 5, seed: int = 0, spread: float = 0.1
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Classes far apart compared with their spread: float32 features and targets, class by class."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(classes, width)) * 3
    targets = np.repeat(np.arange(classes), each)
    points = centers[targets] + spread * rng.normal(size=(len(targets), width))
    return points.astype(np.float32), targets


def write_npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def squared(a: FloatArray, b: FloatArray) -> float:
    """Squared distance, number by number."""
    return float(sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True)))


def cost(points: FloatArray, chosen: Any, worst: bool) -> float:
    """Largest distance to the nearest chosen point, or the sum of squared ones."""
    nearest = [min(squared(p, points[c]) for c in chosen) for p in points]
    return max(nearest) ** 0.5 if worst else sum(nearest)


def best_cost(points: FloatArray, number: int, worst: bool) -> float:
    """The smallest cost over every set of that many points."""
    return min(cost(points, s, worst) for s in combinations(range(len(points)), number))
