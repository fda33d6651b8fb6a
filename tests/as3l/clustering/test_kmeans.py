"""K-means by faiss: what it returns fits together, and its draws are its own."""

from typing import Any

import faiss
import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from support.features import blobs, random_points, squared

from usb_ext.as3l.clustering.kmeans import ITERATIONS, kmeans, kmeans_runs, spread_start


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_assignment_and_objective_are_those_of_the_centers() -> None:
    points = random_points(60, 3, 0, np.float32)
    found = kmeans(points, 4, rng())
    wanted = [[squared(p, c) for c in found.centers] for p in points]
    assert found.assignment.tolist() == [int(np.argmin(row)) for row in wanted]
    assert found.objective == pytest.approx(sum(map(min, wanted)), rel=1e-5)
    assert found.centers.shape == (4, 3)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("seed", range(3))
def test_the_objective_is_that_of_scikit_learn_from_the_same_start(kind: Any, seed: int) -> None:
    """Its inertia, after as many of Lloyd's steps."""
    points = random_points(400, 5, seed, np.float32)
    draws = rng(seed)
    draws.integers(2**31)
    start = spread_start(points, 6, draws)
    wanted = KMeans(6, init=start, n_init=1, max_iter=ITERATIONS, tol=0, algorithm="lloyd").fit(
        points
    )
    found = kmeans(kind(points), 6, rng(seed))
    assert found.objective == pytest.approx(wanted.inertia_, rel=1e-4)
    assert np.mean(found.assignment == wanted.labels_) > 0.99


def test_groups_far_apart_are_found_and_centers_are_their_means() -> None:
    points, targets = blobs(5, 30)
    found = kmeans(points, 5, rng())
    for c in range(5):
        (cluster,) = set(found.assignment[targets == c].tolist())
        np.testing.assert_allclose(found.centers[cluster], points[targets == c].mean(0), atol=1e-4)
    assert len(set(found.assignment.tolist())) == 5


def test_a_seed_fixes_the_runs_which_differ_from_each_other() -> None:
    points = random_points(200, 4, 1, np.float32)
    first, again = kmeans_runs(points, 8, 3, rng(5)), kmeans_runs(points, 8, 3, rng(5))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.assignment, b.assignment)
    assert len({a.objective for a in first}) == 3


def test_one_cluster_a_sample_and_one_cluster_for_all() -> None:
    points = random_points(7, 2, 2, np.float32)
    assert kmeans(points, 7, rng()).objective == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(kmeans(points, 1, rng()).centers[0], points.mean(0), atol=1e-6)


@pytest.mark.parametrize("number", [0, 8])
def test_a_number_of_clusters_that_cannot_be(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} clusters of 7"):
        kmeans(random_points(7, 2, 2, np.float32), number, rng())


def test_faiss_keeps_its_threads_and_no_global_draw_is_made() -> None:
    before, threads = np.random.get_state()[1].copy(), faiss.omp_get_max_threads()
    kmeans(random_points(20, 2, 3, np.float32), 3, rng())
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    assert faiss.omp_get_max_threads() == threads


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
def test_training_on_a_sample_of_the_points_still_assigns_all(kind: Any) -> None:
    points, targets = blobs(3, 100)
    found = kmeans(kind(points), 3, rng(), points_per_center=10)
    assert found.assignment.shape == (300,)
    assert all(len(set(found.assignment[targets == c].tolist())) == 1 for c in range(3))
