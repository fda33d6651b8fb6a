"""Prior pseudo-labels over several K: put together by hand, and what their rows promise."""

import numpy as np
import pytest
from support.features import blobs

from usb_ext.as3l.propagate.seed_kmeans import seed_groups, seed_kmeans, seed_prior


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("normaliser", ["row", "runs"])
def test_votes_of_each_run_are_those_of_its_labelled_clusters(split: bool, normaliser: str) -> None:
    points, targets = blobs(4, 25, spread=2.0)
    rows = np.array([0, 1, 30, 60, 99])
    numbers = (6, 7, 12)
    prior = seed_prior(
        points, rows, targets[rows], 4, numbers, rng(), split=split, normaliser=normaliser
    )
    votes = [[0.0] * 4 for _ in points]
    for number, child in zip(numbers, rng().spawn(3), strict=True):
        groups = seed_groups(points[rows], targets[rows], number, split)
        clusters = seed_kmeans(points, rows, groups, number, child).assignment
        for i, cluster in enumerate(clusters):
            labels = {int(targets[r]) for r in rows if clusters[r] == cluster}
            for label in labels:
                votes[i][label] += 1
    for i, row in enumerate(votes):
        total = sum(row) if normaliser == "row" else 3
        wanted = [v / total if total else 0.0 for v in row]
        assert prior[i].tolist() == pytest.approx(wanted, rel=1e-6)
    reached = prior.sum(axis=1)
    assert split or reached.min() == 0, "every sample is reached, so zeros are not tested"
    np.testing.assert_array_equal(prior[rows].argmax(axis=1), targets[rows])
    assert prior[rows].max(axis=1) == pytest.approx(1.0)


def test_groups_far_apart_get_their_classes() -> None:
    points, targets = blobs(5, 20)
    rows = np.arange(5) * 20 + 3
    prior = seed_prior(points, rows, targets[rows], 5, (5, 10), rng())
    reached = prior.sum(axis=1) > 0
    assert (prior.argmax(axis=1) == targets)[reached].all() and reached.mean() > 0.9


def test_a_class_without_labels_has_an_empty_column() -> None:
    points, targets = blobs(3, 20)
    rows = np.array([0, 25])
    prior = seed_prior(points, rows, targets[rows], 3, (3, 6), rng())
    assert prior.shape == (60, 3) and not prior[:, 2].any()
