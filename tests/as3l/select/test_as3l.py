"""AS3L's selection: one sample in the middle of each group, none twice."""

import numpy as np
import pytest
from support.features import blobs, squared

from usb_ext.as3l.clustering.kmeans import kmeans_runs
from usb_ext.as3l.select.as3l import aligned, nearest_free, select_as3l


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(4))
def test_groups_far_apart_give_the_sample_nearest_to_each_mean(seed: int) -> None:
    points, targets = blobs(6, 25, seed=seed)
    positions, clusters = select_as3l(points, 6, rng(seed))
    assert sorted(clusters.tolist()) == list(range(6))
    wanted = set()
    for c in range(6):
        own = np.flatnonzero(targets == c)
        mean = points[own].mean(axis=0)
        wanted.add(int(own[np.argmin([squared(points[i], mean) for i in own])]))
    assert set(positions.tolist()) == wanted


def test_the_centers_are_those_of_the_cores_and_large_cores_come_first() -> None:
    points = blobs(4, 30, width=2, spread=1.0)[0]
    positions, clusters = select_as3l(points, 4, rng(7), runs=5)
    runs = kmeans_runs(points, 4, 5, rng(7))
    table = aligned([r.assignment for r in runs], 4)
    cores = [{i for i in range(120) if all(int(a) == k for a in table[:, i])} for k in range(4)]
    sizes = [len(cores[k]) for k in clusters]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) > 0 and sum(sizes) < 120
    for position, cluster in zip(positions, clusters, strict=True):
        mean = points[sorted(cores[cluster])].mean(axis=0)
        nearest = min(range(120), key=lambda i: squared(points[i], mean))
        assert position == nearest


def test_no_sample_is_taken_twice() -> None:
    points = np.array([[0.0], [1.0], [5.0]])
    assert nearest_free(points, np.array([[0.1], [0.2], [0.0]])).tolist() == [0, 1, 2]


def test_a_budget_of_all_samples_takes_all_even_where_they_are_equal() -> None:
    points = np.ones((5, 2), dtype=np.float32)
    assert sorted(select_as3l(points, 5, rng())[0].tolist()) == [0, 1, 2, 3, 4]
