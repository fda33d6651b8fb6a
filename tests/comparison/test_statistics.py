"""The statistics against hand-derived p-values, an enumeration of all signs, closed testing, and scipy."""

import functools
import itertools
import math
import statistics

import numpy as np
import pytest
from scipy import stats

from usb_ext.comparison.statistics import EXACT_UP_TO, gains, holm, signed_rank, summarise


def mean_ranks(sizes: list[float]) -> list[float]:
    """Rank of each size; equal ones share the mean of theirs. By counting."""
    return [
        sum(other < size for other in sizes) + (sum(other == size for other in sizes) + 1) / 2
        for size in sizes
    ]


def by_enumeration(differences: list[float]) -> tuple[float, float, float, float]:
    """Rank sum, p greater, less and two-sided over all 2^m signs of the nonzero differences."""
    used = [d for d in differences if d != 0]
    ranks = mean_ranks([abs(d) for d in used])
    seen = sum(rank for rank, d in zip(ranks, used, strict=True) if d > 0)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((False, True), repeat=len(used))
    ]
    greater = sum(total >= seen for total in sums) / len(sums)
    less = sum(total <= seen for total in sums) / len(sums)
    return seen, greater, less, min(1.0, 2 * min(greater, less))


def test_six_gains_of_one_sign_reach_the_floor_of_one_in_64() -> None:
    test = signed_rank([0.3, 1.1, 0.2, 4.0, 0.9, 2.5])
    assert test.statistic == 1 + 2 + 3 + 4 + 5 + 6
    assert (test.greater, test.less, test.two_sided) == (1 / 64, 1.0, 2 / 64)
    assert (test.method, test.floor, test.note) == ("exact", 1 / 64, "")


def test_three_gains_by_hand() -> None:
    """Ranks of 1, -2, 3 are 1, 2, 3, so W+ = 4; of the sums 0 1 2 3 3 4 5 6, three are >= 4."""
    test = signed_rank([1.0, -2.0, 3.0])
    assert test.statistic == 4
    assert (test.greater, test.less, test.two_sided) == (3 / 8, 6 / 8, 6 / 8)
    assert test.note == "3 pair(s): p is at least 0.125 one-sided, 0.25 two-sided"


@pytest.mark.parametrize("n", [2, 3, 5, 6, 9, 14])
@pytest.mark.parametrize("step", [0.001, 1.0])
def test_p_values_equal_the_enumeration_of_all_signs(n: int, step: float) -> None:
    """Steps of 1 make ties and zeros, steps of 0.001 next to none."""
    rng = np.random.default_rng(n)
    for _ in range(4):
        differences = [float(d) for d in np.round(rng.normal(0.5, 1.5, n) / step) * step]
        if not any(differences):
            continue
        test = signed_rank(differences)
        got = (test.statistic, test.greater, test.less, test.two_sided)
        assert got == pytest.approx(by_enumeration(differences), abs=1e-12)
        assert test.zeros == differences.count(0.0)
        assert test.floor == 2.0 ** -(n - test.zeros)


@pytest.mark.parametrize("n", [8, 30, 50])
def test_equals_scipy_without_ties(n: int) -> None:
    differences = np.round(np.random.default_rng(n).normal(0.3, 1.0, n), 6)
    test = signed_rank(differences.tolist())
    for side, p in (("greater", test.greater), ("less", test.less), ("two-sided", test.two_sided)):
        exact = stats.wilcoxon(differences, alternative=side, method="exact").pvalue
        assert p == pytest.approx(exact, rel=1e-12)
    assert (test.method, test.note) == ("exact", "")


def counted(doubled: list[int], seen: int) -> tuple[int, int]:
    """Of all choices among whole numbers, how many sum to at least `seen`, and to at most; by recursion."""

    @functools.cache
    def ways(place: int, total: int) -> int:
        if place == len(doubled):
            return int(total == 0)
        return ways(place + 1, total) + ways(place + 1, total - doubled[place])

    of = [ways(0, total) for total in range(sum(doubled) + 1)]
    return sum(of[seen:]), sum(of[: seen + 1])


@pytest.mark.parametrize("n", [14, 18, 25, 60])
def test_ties_are_exact_for_every_number_of_pairs(n: int) -> None:
    differences = [float(d) or 1.0 for d in np.random.default_rng(n).integers(-3, 7, n)]
    doubled = [round(2 * rank) for rank in mean_ranks([abs(d) for d in differences])]
    seen = sum(rank for rank, d in zip(doubled, differences, strict=True) if d > 0)
    greater, less = counted(doubled, seen)
    test = signed_rank(differences)
    assert (test.statistic, test.method) == (seen / 2, "exact")
    assert test.greater == pytest.approx(greater / 2**n, rel=1e-12)
    assert test.less == pytest.approx(less / 2**n, rel=1e-12)
    assert test.two_sided == pytest.approx(min(1, 2 * min(greater, less) / 2**n), rel=1e-12)


def test_many_pairs_are_approximated_and_that_is_said() -> None:
    differences = np.random.default_rng(0).integers(1, 9, EXACT_UP_TO + 1) * 1.0
    differences[::3] *= -1
    test = signed_rank(differences.tolist())
    p = stats.wilcoxon(differences, alternative="greater", method="asymptotic").pvalue
    assert test.greater == pytest.approx(p, rel=1e-12)
    assert test.method == test.note == "normal approximation"
    whole, least = (signed_rank([*differences[: EXACT_UP_TO - cut]]).greater for cut in (0, 1))
    assert whole is not None and least is not None and abs(whole - least) < 0.02


def closed(values: list[float]) -> list[float]:
    """Of each p-value the largest Bonferroni p-value of all sets that it is in (the closure principle)."""
    every = range(len(values))
    sets = [s for size in every for s in itertools.combinations(every, size + 1)]
    return [
        max(min(1.0, len(s) * min(values[j] for j in s)) for s in sets if i in s) for i in every
    ]


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_holm_is_the_closed_test_of_bonferroni(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(5):
        values = [float(p) for p in np.round(rng.uniform(0, 1, n) ** 3, 2)]  # some are equal
        assert holm(values) == pytest.approx(closed(values), abs=1e-15)
    assert holm([]) == ()


def test_holm_by_hand() -> None:
    """3 x 0.01, then 2 x 0.03, then 0.04 but no less than 0.06."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx((0.06, 0.03, 0.06))


def test_rounding_errors_make_neither_ties_nor_signs() -> None:
    """0.1 three times over is not 0.3 in floating point, and 1 - 0.9 is not 0.1."""
    values = gains([0.3, 0.1, 5.8, 7.0], [0.1 + 0.1 + 0.1, 1 - 0.9, 4.8, 8.0])
    assert values == (0.0, 0.0, 1.0, -1.0)
    assert math.copysign(1, values[0]) == 1.0
    test = signed_rank([0.1 + 0.2, -0.3, 0.5])
    assert (test.statistic, test.greater) == (1.5 + 3, 3 / 8)


def test_without_two_folds_or_a_difference_there_is_no_test() -> None:
    for differences, reason in (([1.0], "1 fold"), ([], "0 fold"), ([0.0] * 3, "all 3 gains")):
        test = signed_rank(differences)
        assert (test.greater, test.less, test.two_sided, test.method) == (None,) * 4
        assert reason in test.note


def test_dropped_zeros_are_said() -> None:
    test = signed_rank([0.0, 1.0, 2.0])
    assert (test.pairs, test.zeros, test.greater) == (3, 1, 1 / 4)
    assert test.note.startswith("1 gain(s) of zero dropped; 2 pair(s): p is at least 0.25")


def test_summary_equals_the_standard_library() -> None:
    values = [5.8, 12.25, 3.0, 7.75]
    summary = summarise(values)
    assert summary.mean == pytest.approx(statistics.fmean(values))
    assert summary.std == pytest.approx(statistics.stdev(values))
    assert summary.two_sigma == pytest.approx(2 * statistics.stdev(values))
    assert (summary.n, summary.minimum, summary.maximum) == (4, 3.0, 12.25)
    assert (summarise([2.0]).std, summarise([2.0]).two_sigma) == (None, None)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_a_summary_of_nothing_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one finite number"):
        summarise(values)


def test_gains_need_partners() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        gains([1.0, 2.0], [1.0])
