"""Alignment against every permutation."""

from itertools import permutations

import numpy as np
import pytest

from usb_ext.as3l.select.as3l import aligned, alignment


def agreement(reference: np.ndarray, other: np.ndarray, renumbered: tuple[int, ...]) -> int:
    return sum(int(r == renumbered[o]) for r, o in zip(reference, other, strict=True))


@pytest.mark.parametrize("clusters", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_no_permutation_agrees_better(clusters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, other = rng.integers(clusters, size=(2, 30))
    found = alignment(reference, other, clusters)
    assert sorted(found.tolist()) == list(range(clusters))
    best = max(agreement(reference, other, p) for p in permutations(range(clusters)))
    assert agreement(reference, other, tuple(found.tolist())) == best


def test_renumbered_runs_become_equal() -> None:
    first = np.random.default_rng(0).integers(4, size=50)
    shuffled = np.array([2, 0, 3, 1])[first]
    np.testing.assert_array_equal(aligned([first, shuffled, first], 4), np.stack([first] * 3))


def test_empty_clusters_are_aligned_too() -> None:
    found = alignment(np.array([0, 0, 2]), np.array([1, 1, 1]), 3)
    assert sorted(found.tolist()) == [0, 1, 2] and found[1] == 0
