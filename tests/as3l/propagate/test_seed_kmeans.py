"""Constrained seed K-means against a loop; what the constraint and the objective promise."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from support.features import blobs, random_points, squared

from usb_ext.as3l.clustering.kmeans import spread_start
from usb_ext.as3l.propagate.seed_kmeans import seed_groups, seed_kmeans


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def looped(points, rows, groups, centers, steps):
    """The method sample by sample and center by center, `steps` assignments long."""
    fixed = dict(zip(rows.tolist(), groups.tolist(), strict=True))
    history = []
    for step in range(steps):
        assignment = []
        for i, point in enumerate(points):
            own = [squared(point, c) for c in centers]
            assignment.append(fixed.get(i, int(np.argmin(own))))
        history.append(sum(squared(p, centers[a]) for p, a in zip(points, assignment, strict=True)))
        if step == steps - 1:
            return assignment, centers, history
        for k in range(len(centers)):
            members = [p for p, a in zip(points, assignment, strict=True) if a == k]
            if members:
                centers[k] = sum(members) / len(members)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("clusters", [3, 5])
def test_equals_the_loop(seed: int, clusters: int, kind: Any) -> None:
    points = random_points(40, 3, seed)
    rows = rng(seed).choice(40, size=7, replace=False)
    groups = np.array([0, 1, 2, 0, 1, 2, 0])
    found = seed_kmeans(kind(points), rows, groups, clusters, rng(seed), tolerance=0.0)
    first = [points[rows[groups == g]].mean(axis=0) for g in range(3)]
    start = spread_start(points, clusters, rng(seed), np.stack(first))
    wanted = looped(points, rows, groups, list(start), len(found.history))
    assert found.assignment.tolist() == wanted[0]
    np.testing.assert_allclose(found.centers, wanted[1], rtol=1e-10)
    np.testing.assert_allclose(found.history, wanted[2], rtol=1e-10)
    assert len(found.history) >= 2


@pytest.mark.parametrize("seed", range(8))
def test_labelled_samples_stay_and_the_objective_never_rises(seed: int) -> None:
    points = random_points(80, 2, seed)
    rows = rng(seed).choice(80, size=12, replace=False)
    groups = np.arange(12) % 4  # at random places: the constraint is at work
    found = seed_kmeans(points, rows, groups, 9, rng(seed), tolerance=0.0)
    assert found.assignment[rows].tolist() == groups.tolist()
    assert (np.diff(found.history) <= 1e-9).all()
    free = [i for i in range(80) if i not in set(rows.tolist())]
    nearest = [int(np.argmin([squared(points[i], c) for c in found.centers])) for i in free]
    assert found.assignment[free].tolist() == nearest
    would_leave = [
        int(np.argmin([squared(points[r], c) for c in found.centers])) != g
        for r, g in zip(rows, groups, strict=True)
    ]
    assert any(would_leave), "no labelled sample is held back, so nothing is tested"


def test_with_labels_at_its_start_alone_it_ends_as_scikit_learn_does() -> None:
    """Where every labelled sample stays at its own start's side, the constraint changes nothing."""
    points, targets = blobs(4, 60)
    rows = np.array([np.flatnonzero(targets == c)[0] for c in range(4)])
    found = seed_kmeans(points, rows, np.arange(4), 4, rng(0), tolerance=0.0)
    wanted = KMeans(4, init=points[rows], n_init=1, tol=0, algorithm="lloyd").fit(points)
    assert found.history[-1] == pytest.approx(wanted.inertia_, rel=1e-4)
    assert found.assignment.tolist() == wanted.labels_.tolist()


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
def test_of_a_sample_with_the_labelled_ones_all_others_are_assigned(kind: Any) -> None:
    """Its steps are those on the sample alone; then each sample goes to the nearest center."""
    points = random_points(500, 3, 3)
    rows = rng(3).choice(500, size=8, replace=False)
    groups = np.arange(8) % 4
    found = seed_kmeans(kind(points), rows, groups, 5, rng(4), tolerance=0.0, points_per_center=20)
    draws = rng(4)
    first = [points[rows[groups == g]].mean(axis=0) for g in range(4)]
    start = spread_start(points, 5, draws, np.stack(first))
    few = sorted({*draws.choice(500, size=100, replace=False).tolist(), *rows.tolist()})
    places = np.array([few.index(row) for row in rows])
    wanted = looped(points[few], places, groups, list(start), len(found.history))
    np.testing.assert_allclose(found.history, wanted[2], rtol=1e-10)
    np.testing.assert_allclose(found.centers, wanted[1], rtol=1e-10)
    own = dict(zip(rows.tolist(), groups.tolist(), strict=True))
    for i, point in enumerate(points):
        near = int(np.argmin([squared(point, center) for center in found.centers]))
        assert found.assignment[i] == own.get(i, near)
    whole = seed_kmeans(points, rows, groups, 5, rng(4), points_per_center=100)
    assert whole.history == seed_kmeans(points, rows, groups, 5, rng(4)).history


def test_an_emptied_cluster_keeps_its_center(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    start = np.array([[0.5], [10.5], [99.0]])
    monkeypatch.setattr("usb_ext.as3l.propagate.seed_kmeans.spread_start", lambda *_: start)
    found = seed_kmeans(points, np.array([0, 2]), np.array([0, 1]), 3, rng(0))
    assert found.assignment.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(found.centers.ravel(), [0.5, 10.5, 99.0])


def test_tolerance_ends_early() -> None:
    points = random_points(300, 2, 1)
    rows, groups = np.arange(3), np.arange(3)
    long = seed_kmeans(points, rows, groups, 6, rng(1), tolerance=0.0)
    short = seed_kmeans(points, rows, groups, 6, rng(1), tolerance=0.2)
    assert short.history == long.history[: len(short.history)]
    assert len(short.history) < len(long.history)
    assert len(seed_kmeans(points, rows, groups, 6, rng(1), iterations=2).history) == 2


@pytest.mark.parametrize("clusters", [1, 6])
def test_a_number_of_clusters_that_cannot_be(clusters: int) -> None:
    with pytest.raises(ValueError, match=f"{clusters} clusters, 2 seeds, 5 samples"):
        seed_kmeans(random_points(5, 2, 0), np.arange(2), np.arange(2), clusters, rng(0))


LABELS = np.array([7, 3, 7, 7, 3, 9, 7, 7])


def test_one_group_a_class() -> None:
    groups = seed_groups(random_points(8, 2, 0), LABELS, 5, split=False)
    assert groups.tolist() == [1, 0, 1, 1, 0, 2, 1, 1]


@pytest.mark.parametrize("clusters", range(3, 12))
def test_split_groups_are_of_one_class_and_as_many_as_can_be(clusters: int) -> None:
    groups = seed_groups(random_points(8, 2, 0), LABELS, clusters, split=True)
    assert set(groups.tolist()) == set(range(min(clusters, len(LABELS))))
    for group in set(groups.tolist()):
        assert len(set(LABELS[groups == group].tolist())) == 1
    if clusters == 4:  # the class with five samples is the first to be split
        parts = Counter(int(LABELS[groups == g][0]) for g in set(groups.tolist()))
        assert parts == {7: 2, 3: 1, 9: 1}


def test_near_samples_of_a_class_stay_together() -> None:
    points = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    groups = seed_groups(points, np.zeros(5, dtype=np.int64), 3, split=True)
    assert groups[0] == groups[1] and groups[2] == groups[3]
    assert len(set(groups.tolist())) == 3


def test_equal_samples_make_fewer_groups_or_as_many_but_never_an_empty_one() -> None:
    groups = seed_groups(np.zeros((4, 2)), np.zeros(4, dtype=np.int64), 3, split=True)
    assert set(groups.tolist()) == set(range(groups.max() + 1))
