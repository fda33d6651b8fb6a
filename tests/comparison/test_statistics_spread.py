"""Means and spreads over runs, against numbers worked out by hand and the standard library."""

import statistics

import numpy as np
import pytest

from usb_ext.comparison.statistics import band_over_runs, mean_and_spread


def test_three_seeds_by_hand() -> None:
    """1, 2, 6: mean 3, squares 4 + 1 + 9 = 14; over 2 is 7, over 3 is 14/3."""
    sample = mean_and_spread([1.0, 2.0, 6.0])
    assert (sample.mean, sample.n) == (3.0, 3)
    assert sample.half_width(2) == pytest.approx(2 * 7**0.5, rel=1e-12)
    population = mean_and_spread([1.0, 2.0, 6.0], ddof=0)
    assert population.half_width(1) == pytest.approx((14 / 3) ** 0.5, rel=1e-12)


def test_a_single_run_has_no_spread() -> None:
    assert mean_and_spread([0.7]).std is None
    assert mean_and_spread([0.7], ddof=0).half_width(2) is None


def test_against_the_standard_library() -> None:
    values = list(np.random.default_rng(0).normal(90, 3, size=7))
    assert mean_and_spread(values).std == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert mean_and_spread(values, ddof=0).std == pytest.approx(
        statistics.pstdev(values), rel=1e-12
    )


@pytest.mark.parametrize(("values", "ddof"), [([], 1), ([1.0], 2)])
def test_what_has_no_mean_is_refused(values: list[float], ddof: int) -> None:
    with pytest.raises(ValueError, match=f"{len(values)} values and ddof {ddof}"):
        mean_and_spread(values, ddof=ddof)


def test_bands_column_by_column() -> None:
    curves = np.random.default_rng(1).random((4, 5))
    for kind in ("std", "range"):
        mean, low, high = band_over_runs(curves, kind)
        for step in range(5):
            column = [curves[run][step] for run in range(4)]
            middle, std = statistics.fmean(column), statistics.stdev(column)
            ends = (middle - std, middle + std) if kind == "std" else (min(column), max(column))
            assert mean[step] == pytest.approx(middle, rel=1e-12)
            assert (low[step], high[step]) == pytest.approx(ends, rel=1e-12)


def test_a_single_curve_is_its_own_band() -> None:
    curve = np.array([[0.1, 0.9]])
    for line in band_over_runs(curve, "std"):
        assert line.tolist() == [0.1, 0.9]


def test_a_band_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'sem'"):
        band_over_runs(np.zeros((2, 2)), "sem")
