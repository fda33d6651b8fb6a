"""Means over seeds and how far the runs lie from them.

LayerMatch's Tables 1 and 2 give mean and "2-sigma error bar" over three seeds, the other papers mean
and standard deviation; none says whether it is the sample's or the population's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeanAndSpread:
    """Of n numbers the mean and the standard deviation, in their unit; no deviation where n = 1."""

    mean: float
    std: float | None
    n: int

    def half_width(self, sigmas: float) -> float | None:
        """So many standard deviations (2 for LayerMatch, Tables 1 and 2), None where n = 1."""
        return None if self.std is None else sigmas * self.std


def mean_and_spread(values: Sequence[float], *, ddof: int = 1) -> MeanAndSpread:
    """Mean and standard deviation over runs (LayerMatch, Tables 1 and 2: over the seeds 0, 1, 2).

    Args:
        values: (n,) one number a run, n >= 1.
        ddof: ours: 1 divides by n - 1, which does not understate the spread of a method from three
            seeds; 0 divides by n.

    Raises:
        ValueError: no values, or a ddof other than 0 and 1.
    """
    if len(values) == 0 or ddof not in (0, 1):
        raise ValueError(f"got {len(values)} values and ddof {ddof}; need one or more, and 0 or 1")
    numbers = np.asarray(values, dtype=np.float64)
    std = float(numbers.std(ddof=ddof)) if len(numbers) > 1 else None
    return MeanAndSpread(float(numbers.mean()), std, len(numbers))


def band_over_runs(
    curves: FloatArray, kind: str, *, ddof: int = 1
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean curve and a band around it (the manner of LayerMatch, Fig. 1, with seeds as a band).

    Args:
        curves: (S, T) one row a run, one column a step.
        kind: `std` for mean -+ one standard deviation, `range` for the lowest and the highest run.
        ddof: as in `mean_and_spread`.

    Returns:
        mean (T,), low (T,), high (T,), in the unit of the curves; all equal where S = 1.

    Raises:
        ValueError: a kind that is not there, or no curve.
    """
    if kind not in ("std", "range") or curves.ndim != 2 or len(curves) == 0:
        raise ValueError(f"got kind {kind!r} and shape {curves.shape}; need std or range, (S, T)")
    mean = curves.mean(axis=0)
    if len(curves) == 1:
        return mean, mean, mean
    if kind == "range":
        return mean, curves.min(axis=0), curves.max(axis=0)
    std = curves.std(axis=0, ddof=ddof)
    return mean, mean - std, mean + std
