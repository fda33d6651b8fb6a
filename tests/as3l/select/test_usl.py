"""USL against a loop that follows its formulas sample by sample."""

import numpy as np
import pytest
from support.features import blobs, random_points, squared

from usb_ext.as3l.clustering.kmeans import kmeans
from usb_ext.as3l.select.strategies import select
from usb_ext.as3l.select.usl import UslNumbers, filled, regularised_choice, select_usl
from usb_ext.settings.as3l import usl_of


def looped_density(points: np.ndarray, k: int) -> list[float]:
    found = []
    for i, p in enumerate(points):
        gaps = sorted(squared(p, q) for j, q in enumerate(points) if j != i)
        found.append(1 / (sum(gaps[:k]) / k))
    return found


def looped_choice(points, density, clusters, n: UslNumbers) -> list[int]:
    penalty = [0.0] * len(points)
    for _ in range(n.rounds):
        chosen = []
        for c in range(max(clusters) + 1):
            members = [i for i in range(len(points)) if clusters[i] == c]
            chosen.append(max(members, key=lambda i: density[i] - n.weight * penalty[i]))
        for i, p in enumerate(points):
            total = 0.0
            for c, j in enumerate(chosen):
                gap = squared(p, points[j])
                if c != clusters[i] and (n.horizon is None or gap < n.horizon):
                    total += 1 / gap**n.power
            penalty[i] = n.momentum * penalty[i] + (1 - n.momentum) * total
    return chosen


NUMBERS = [
    UslNumbers(neighbours=7),
    UslNumbers(neighbours=7, weight=5.0, momentum=0.5),
    UslNumbers(neighbours=7, weight=3.0, horizon=0.5, power=1.0),
    UslNumbers(neighbours=7, rounds=1),
]


@pytest.mark.parametrize("numbers", NUMBERS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_loop(numbers: UslNumbers, seed: int) -> None:
    points = random_points(50, 2, seed, np.float32)
    chosen, clusters = select_usl(points, 4, np.random.default_rng(seed), numbers)
    groups = kmeans(points, 4, np.random.default_rng(seed)).assignment.tolist()
    density = looped_density(points, 7)
    assert chosen.tolist() == looped_choice(points, density, groups, numbers)
    assert clusters.tolist() == [0, 1, 2, 3]


def test_the_regulariser_changes_the_choice() -> None:
    points = random_points(50, 2, 0)
    density = np.array(looped_density(points, 7))
    groups = kmeans(points, 4, np.random.default_rng(0)).assignment
    near = regularised_choice(points, density, groups, UslNumbers(weight=0.0))
    far = regularised_choice(points, density, groups, UslNumbers(weight=50.0))
    assert near.tolist() != far.tolist()
    assert near.tolist() == [
        max(np.flatnonzero(groups == c), key=lambda i: density[i]) for c in range(4)
    ]


def test_more_neighbours_than_samples_are_cut() -> None:
    points, targets = blobs(3, 4)
    chosen, _ = select_usl(points, 3, np.random.default_rng(0))
    assert sorted(targets[chosen].tolist()) == [0, 1, 2]


def test_an_empty_cluster_gets_the_densest_sample_of_the_largest() -> None:
    clusters = np.array([0, 0, 0, 2])
    density = np.array([1.0, 3.0, 2.0, 9.0])
    assert filled(clusters, density, 3).tolist() == [0, 1, 0, 2]
    assert clusters.tolist() == [0, 0, 0, 2]


def test_the_constants_of_each_set_are_taken_by_its_name() -> None:
    """Facts of the authors' code: w 0.5, alpha 0.5, no horizon on CIFAR-10; 1, 1 and 1 on CIFAR-100."""
    points = random_points(60, 2, 1, np.float32)
    found = {}
    for name, (weight, power, horizon) in {
        "cifar10": (0.5, 0.5, None),
        "cifar100": (1, 1, 1),
    }.items():
        asked = select("usl", points, 5, np.random.default_rng(0), usl=usl_of("auto", name))
        groups = kmeans(points, 5, np.random.default_rng(0)).assignment.tolist()
        numbers = UslNumbers(59, weight, 0.9, 10, power, horizon)
        density = looped_density(points, 59)
        found[name] = asked.positions.tolist()
        assert found[name] == looped_choice(points, density, groups, numbers)
    assert [usl_of("auto", None), usl_of("cifar100", "digits")] == ["cifar10", "cifar100"]
