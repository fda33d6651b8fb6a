"""K-medoids against every subset of tiny sets."""

import numpy as np
import pytest
from support.features import best_cost, cost, random_points, squared

from usb_ext.as3l.select.baselines import members_nearest, select_kmedoids


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_many_starts_find_the_best_of_all_subsets(seed: int, budget: int) -> None:
    points = random_points(10, 2, seed)
    chosen, clusters = select_kmedoids(points, budget, np.random.default_rng(seed), starts=40)
    assert cost(points, chosen, worst=False) == pytest.approx(
        best_cost(points, budget, worst=False), rel=1e-9
    )
    assert clusters.tolist() == list(range(budget))


@pytest.mark.parametrize("seed", range(4))
def test_every_medoid_is_the_best_of_its_cluster(seed: int) -> None:
    points = random_points(60, 3, seed)
    chosen, _ = select_kmedoids(points, 5, np.random.default_rng(seed))
    near = [min(range(5), key=lambda k: squared(p, points[chosen[k]])) for p in points]
    for k, medoid in enumerate(chosen):
        members = [i for i in range(60) if near[i] == k]
        sums = {m: sum(squared(points[i], points[m]) for i in members) for m in members}
        assert sums[int(medoid)] == pytest.approx(min(sums.values()), rel=1e-9)


def test_equal_samples_give_distinct_medoids() -> None:
    chosen, _ = select_kmedoids(np.zeros((4, 2)), 3, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 3


def test_members_near_to_centers_are_distinct() -> None:
    points = np.array([[0.0], [1.0], [4.0]])
    assert members_nearest(points, np.array([[0.1], [0.2], [9.0]])).tolist() == [0, 1, 2]
