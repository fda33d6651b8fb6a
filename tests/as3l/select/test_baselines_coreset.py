"""Coreset-greedy: the loop, and twice the best radius of every subset."""

import numpy as np
import pytest
from support.features import best_cost, cost, random_points, squared

from usb_ext.as3l.select.baselines import select_coreset


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("budget", [1, 2, 3, 4])
def test_within_twice_the_best_radius(seed: int, budget: int) -> None:
    points = random_points(11, 2, seed)
    chosen = select_coreset(points, budget, np.random.default_rng(seed))
    assert len(set(chosen.tolist())) == budget
    assert cost(points, chosen, worst=True) <= 2 * best_cost(points, budget, worst=True) + 1e-9


def test_each_choice_is_the_farthest_of_all() -> None:
    points = random_points(25, 3, 9)
    chosen = select_coreset(points, 8, np.random.default_rng(0)).tolist()
    for number in range(1, 8):
        gaps = [min(squared(p, points[c]) for c in chosen[:number]) for p in points]
        assert gaps[chosen[number]] == pytest.approx(max(gaps), rel=1e-12)


def test_equal_samples_are_chosen_once_each() -> None:
    chosen = select_coreset(np.zeros((4, 2)), 4, np.random.default_rng(0))
    assert sorted(chosen.tolist()) == [0, 1, 2, 3]
