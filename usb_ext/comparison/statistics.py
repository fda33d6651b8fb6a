"""Statistics of paired runs: spread, run-by-run gain, Wilcoxon's signed-rank test.

Smooth Pseudo-Labeling (Sec. 1 and 4): two methods are compared fold by fold, and whether the one is
better is decided by Wilcoxon's signed-rank test on the gains, one-sided greater, one-sided less and
two-sided, because mean and std of the gains do not see that nearly all of them have one sign. With
n pairs the smallest one-sided p is 1/2^n: 1/64 for the six folds of the paper's tables.

Zero gains carry no sign and are dropped (Wilcoxon's own rule, scipy's `zero_method="wilcox"`); tied
gains share the mean of their ranks. The p-value is exact where scipy can make it so.

Means over seeds and how far the runs lie from them.

LayerMatch's Tables 1 and 2 give mean and "2-sigma error bar" over three seeds, the other papers mean
and standard deviation; none says whether it is the sample's or the population's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

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


DECIMALS = 6
"""ours: gains in percentage points are rounded to this many decimals before they are ranked, so that
rounding errors make neither ties nor signs; one image of a million is 1e-4."""

EXACT_UP_TO = 50
"""Pairs without ties up to which scipy sums the exact distribution of the rank sum."""

FLIPS_UP_TO = 13
"""Pairs with ties up to which scipy tries all 2^n assignments of signs."""


@dataclass(frozen=True)
class Summary:
    """n numbers in short, in their own unit; `std` divides by n - 1 and is None for one number."""

    n: int
    mean: float
    std: float | None
    two_sigma: float | None
    minimum: float
    maximum: float


@dataclass(frozen=True)
class SignedRank:
    """Wilcoxon's signed-rank test of gains; the p-values are None where no test is possible.

    Attributes:
        pairs: number of gains.
        zeros: those that are zero and were dropped.
        statistic: sum of the ranks of the positive gains.
        greater: p of gains at least so positive, if there is no difference.
        less: p of gains at least so negative.
        two_sided: p of either.
        method: `exact`, `exact (all sign flips)` for tied gains, or `normal approximation`.
        floor: smallest one-sided p that this many nonzero gains can give, 1/2^(pairs - zeros).
        note: what has to be said about it; may be empty.
    """

    pairs: int
    zeros: int
    statistic: float | None
    greater: float | None
    less: float | None
    two_sided: float | None
    method: str | None
    floor: float | None
    note: str


NO_TEST = (None,) * 6


def summarise(values: Sequence[float]) -> Summary:
    """Mean, sample standard deviation (n - 1), 2 sigma, least and greatest.

    Args:
        values: n >= 1 numbers.

    Raises:
        ValueError: for no number, or one that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"summarise needs at least one finite number, got {list(values)}")
    found = mean_and_spread(array.tolist())
    ends = float(array.min()), float(array.max())
    return Summary(found.n, found.mean, found.std, found.half_width(2), *ends)


def gains(first: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """Run-by-run gain of a method over the first: how much smaller its error is.

    Args:
        first: n errors of the first method, in percent, one a fold.
        other: n errors of the other method on the same folds.

    Returns:
        n differences `first - other` in percentage points; positive means the other is better.
    """
    return tuple(round(a - b, DECIMALS) + 0.0 for a, b in zip(first, other, strict=True))


def signed_rank(differences: Sequence[float]) -> SignedRank:
    """Wilcoxon's signed-rank test of n paired differences, in all three directions.

    Args:
        differences: n numbers, such as those of `gains`.

    Returns:
        The test; without p-values, and with the reason, for one pair or none that differs.
    """
    rounded = np.round(np.asarray(differences, dtype=np.float64), DECIMALS)
    used = rounded[rounded != 0]
    pairs, zeros = rounded.size, int(rounded.size - used.size)
    if pairs < 2:
        return SignedRank(
            pairs, zeros, *NO_TEST, f"no test: {pairs} fold(s), it needs at least two"
        )
    if not used.size:
        return SignedRank(pairs, zeros, *NO_TEST, f"no test: all {pairs} gains are zero")
    method, how = _method(used)
    found = {
        side: stats.wilcoxon(used, alternative=side, method=how)
        for side in ("greater", "less", "two-sided")
    }
    p = {side: min(1.0, float(result.pvalue)) for side, result in found.items()}
    statistic = float(found["greater"].statistic)
    note = _note(used.size, zeros, method)
    tests = (statistic, p["greater"], p["less"], p["two-sided"])
    return SignedRank(pairs, zeros, *tests, method, 0.5**used.size, note)


def _method(used: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[str, object]:
    """What the p-value will be, and scipy's name for it; `used` are m nonzero differences, (m,)."""
    tied = np.unique(np.abs(used)).size < used.size
    if not tied and used.size <= EXACT_UP_TO:
        return "exact", "exact"
    if tied and used.size <= FLIPS_UP_TO:
        return "exact (all sign flips)", stats.PermutationMethod()
    return "normal approximation", "auto"


def _note(used: int, zeros: int, method: str) -> str:
    """What limits the test, for `used` nonzero gains."""
    said = [f"{zeros} gain(s) of zero dropped"] if zeros else []
    if used < 6:
        floor, two = 0.5**used, min(1.0, 2 * 0.5**used)
        said.append(f"{used} pair(s): p is at least {floor:g} one-sided, {two:g} two-sided")
    if method != "exact":
        said.append(f"tied gains: {method}" if "flips" in method else method)
    return "; ".join(said)
