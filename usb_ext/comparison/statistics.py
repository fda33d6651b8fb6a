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

from usb_ext.comparison.records import DECIMALS

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


EXACT_UP_TO = 200
"""Nonzero gains up to which the distribution of the rank sum is added up; above it is close to normal."""


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
        method: `exact`, or `normal approximation` above EXACT_UP_TO nonzero gains.
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
    greater, less = (_exact if used.size <= EXACT_UP_TO else _approximate)(used)
    method = "exact" if used.size <= EXACT_UP_TO else "normal approximation"
    tests = (_positive_ranks(used), greater, less, min(1.0, 2 * min(greater, less)))
    return SignedRank(pairs, zeros, *tests, method, 0.5**used.size, _note(used.size, zeros, method))


def _positive_ranks(used: FloatArray) -> float:
    """Sum of the ranks of the positive ones of (m,) nonzero gains."""
    return float(stats.rankdata(np.abs(used))[used > 0].sum())


def _exact(used: FloatArray) -> tuple[float, float]:
    """P(W >= w) and P(W <= w) of the rank sum W over all 2^m signs of (m,) nonzero gains.

    W is a sum of independent terms, each its rank or 0 with probability 1/2, so that its distribution is the
    convolution of theirs; ranks that ties make halves are doubled to be whole.
    """
    ranks = np.rint(2 * stats.rankdata(np.abs(used))).astype(np.int64)
    share = np.zeros(int(ranks.sum()) + 1)
    share[0] = 1.0
    for rank in ranks:
        moved = np.zeros_like(share)
        moved[rank:] = share[:-rank]
        share = (share + moved) / 2
    seen = int(ranks[used > 0].sum())
    return min(1.0, float(share[seen:].sum())), min(1.0, float(share[: seen + 1].sum()))


def _approximate(used: FloatArray) -> tuple[float, float]:
    """The same by the normal distribution, its variance corrected for ties."""
    sides = ("greater", "less")
    found = [stats.wilcoxon(used, alternative=side, method="asymptotic") for side in sides]
    return float(found[0].pvalue), float(found[1].pvalue)


def holm(values: Sequence[float]) -> tuple[float, ...]:
    """p-values corrected for their number: the chance to refute any true hypothesis stays at the level.

    Holm (1979), step-down: the k-th smallest of m times m - k + 1, no less than those before, at most 1.

    Args:
        values: m p-values in [0, 1], in any order.

    Returns:
        (m,) corrected p-values in the same order.
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    corrected, least = [0.0] * len(values), 0.0
    for place, i in enumerate(order):
        least = max(least, min(1.0, (len(values) - place) * values[i]))
        corrected[i] = least
    return tuple(corrected)


def _note(used: int, zeros: int, method: str) -> str:
    """What limits the test, for `used` nonzero gains."""
    said = [f"{zeros} gain(s) of zero dropped"] if zeros else []
    if used < 6:
        floor, two = 0.5**used, min(1.0, 2 * 0.5**used)
        said.append(f"{used} pair(s): p is at least {floor:g} one-sided, {two:g} two-sided")
    if method != "exact":
        said.append(method)
    return "; ".join(said)
