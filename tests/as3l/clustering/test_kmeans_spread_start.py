"""First centers: samples, apart from each other, the given ones first."""

import numpy as np
import pytest
from support.features import blobs, random_points

from usb_ext.as3l.clustering import kmeans as module
from usb_ext.as3l.clustering.kmeans import spread_start


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(5))
def test_every_far_group_gets_a_center(seed: int) -> None:
    points, targets = blobs(6, 20, seed=seed, spread=1e-3)
    centers = spread_start(points, 6, rng(seed))
    groups = {int(targets[np.flatnonzero((points == c).all(axis=1))[0]]) for c in centers}
    assert groups == set(range(6))


def test_given_centers_come_first_and_are_not_chosen_again() -> None:
    points, _ = blobs(3, 10, spread=0.0)
    taken = points[[0, 10]]
    centers = spread_start(points, 3, rng(), taken)
    np.testing.assert_array_equal(centers[:2], taken)
    np.testing.assert_array_equal(centers[2], points[20])


def test_a_sample_is_drawn_as_often_as_its_squared_distance_says() -> None:
    """From 0 the points 1, 2 and 3 have squared distances 1, 4 and 9 of 14 in all."""
    points, generator = np.array([[0.0], [1.0], [2.0], [3.0]]), rng(1)
    draws = [spread_start(points, 2, generator, points[:1])[1, 0] for _ in range(2000)]
    shares = [np.mean(np.array(draws) == value) for value in (0, 1, 2, 3)]
    assert shares[0] == 0
    np.testing.assert_allclose(shares[1:], [1 / 14, 4 / 14, 9 / 14], atol=0.04)


def test_equal_samples_are_no_obstacle() -> None:
    assert spread_start(np.ones((5, 2)), 3, rng()).tolist() == [[1.0, 1.0]] * 3


def test_large_sets_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_SAMPLE", 4)
    monkeypatch.setattr(module, "PER_CENTER", 2)
    seen: list[int] = []
    original = module.nearest_center
    monkeypatch.setattr(
        module, "nearest_center", lambda x, c: (seen.append(len(x)), original(x, c))[1]
    )
    spread_start(random_points(100, 2, 0), 3, rng())
    assert set(seen) == {6}
