"""TypiClust against distances of scipy and groups that stand far apart."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from support.features import blobs, random_points

from usb_ext.as3l.select.strategies import select_more
from usb_ext.as3l.select.typiclust import select_typiclust, typicality


@pytest.mark.parametrize("count", [2, 9, 21, 60])
def test_typicality_is_one_over_the_mean_distance_to_the_nearest(count: int) -> None:
    points = random_points(count, 4, count)
    distances = np.sort(cdist(points, points), axis=1)[:, 1:]
    wanted = 1 / distances[:, : min(20, count - 1)].mean(axis=1)
    assert typicality(points) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_each_group_gives_its_most_typical_sample(seed: int) -> None:
    points, groups = blobs(6, 30, seed=seed, spread=0.4)
    chosen, clusters = select_typiclust(points, 6, np.random.default_rng(seed))
    assert sorted(groups[chosen]) == list(range(6))
    assert sorted(clusters) == list(range(6))
    for position in chosen:
        rows = np.flatnonzero(groups == groups[position])
        distances = np.sort(cdist(points[rows], points[rows]), axis=1)[:, 1:21].mean(axis=1)
        assert position == rows[distances.argmin()]


def test_larger_groups_come_first_and_stragglers_after_all_others() -> None:
    sizes, places = (3, 12, 40, 25), ((0, 90), (90, 0), (0, 0), (90, 90))
    rng = np.random.default_rng(0)
    parts = [0.1 * rng.normal(size=(n, 2)) + p for n, p in zip(sizes, places, strict=True)]
    points = np.concatenate(parts).astype(np.float32)
    groups = np.repeat(np.arange(4), sizes)
    chosen, _ = select_typiclust(points, 4, np.random.default_rng(0))
    assert groups[chosen].tolist() == [2, 3, 1, 2]
    every, _ = select_typiclust(points, 80, np.random.default_rng(0))
    assert sorted(every) == list(range(80))


def test_groups_with_a_label_wait_until_the_others_have_one() -> None:
    points, groups = blobs(5, 20)
    given = np.flatnonzero(np.isin(groups, (1, 3)))[::15]
    labelled = set(groups[given].tolist())
    found = select_more("typiclust", points, given, 5 - len(labelled), np.random.default_rng(0))
    assert sorted(groups[found.positions]) == sorted(set(range(5)) - labelled)


def test_equal_samples_are_chosen_once_each() -> None:
    chosen, _ = select_typiclust(np.zeros((7, 2), np.float32), 7, np.random.default_rng(0))
    assert sorted(chosen.tolist()) == list(range(7))
