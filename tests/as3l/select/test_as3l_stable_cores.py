"""Stable cores against set arithmetic."""

import numpy as np

from usb_ext.as3l.select.as3l import core_centers, stable_cores


def test_a_core_is_the_intersection_of_its_cluster_over_the_runs() -> None:
    runs = np.random.default_rng(0).integers(3, size=(4, 200))
    runs[:, :30] = 1
    cores = stable_cores(runs)
    for cluster in range(3):
        members = [set(np.flatnonzero(run == cluster).tolist()) for run in runs]
        assert set(np.flatnonzero(cores == cluster).tolist()) == set.intersection(*members)
    assert 30 <= (cores >= 0).sum() < 200


def test_one_run_is_all_core() -> None:
    run = np.array([[2, 0, 1]])
    assert stable_cores(run).tolist() == [2, 0, 1]


def test_centers_are_means_of_cores_and_empty_cores_fall_back() -> None:
    points = np.array([[0.0, 0.0], [2.0, 4.0], [9.0, 9.0], [5.0, 5.0]])
    cores = np.array([0, 0, -1, 2])
    fallback = np.array([[7.0, 7.0], [8.0, 8.0], [6.0, 6.0]])
    np.testing.assert_array_equal(core_centers(points, cores, fallback), [[1, 2], [8, 8], [5, 5]])
