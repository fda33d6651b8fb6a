"""One class that loses unlabelled images: how many, which ones, and that nothing else changes."""

from collections import Counter

import numpy as np
import pytest

from usb_ext.data.splits import label_indices, reduced_class, unlabelled_indices, without_most_of

K = 5
TARGETS = np.random.default_rng(1).permutation(np.repeat(np.arange(K), [30, 25, 20, 15, 10]))
POSITIONS = np.arange(100)


def keep(one: int | None, fraction: float | None, seed: int = 3) -> list[int]:
    return without_most_of(POSITIONS, TARGETS, one, fraction, seed).tolist()


@pytest.mark.parametrize(
    ("one", "fraction", "left"),
    [(0, 0.5, 15), (1, 0.1, 3), (2, 0.0, 0), (3, 1.0, 15), (4, 0.96, 10)],
)
def test_the_class_keeps_its_share_and_the_others_all(one: int, fraction: float, left: int) -> None:
    """25 images at 0.1 are 2.5, rounded up to 3."""
    kept = keep(one, fraction)
    expected = Counter(TARGETS.tolist())
    expected[one] = left
    assert Counter(TARGETS[kept].tolist()) == +expected
    assert kept == sorted(kept)


def test_what_is_kept_is_nested_and_hangs_on_the_seed() -> None:
    small, large = set(keep(0, 0.2)), set(keep(0, 0.6))
    assert small < large
    assert set(keep(0, 0.2, seed=4)) != small
    assert keep(None, None) == POSITIONS.tolist()


def test_a_random_class_is_the_same_for_all_folds_of_a_seed() -> None:
    drawn = [reduced_class("random", K, seed) for seed in range(200)]
    assert drawn == [reduced_class("random", K, seed) for seed in range(200)]
    assert set(drawn) == set(range(K))
    assert max(Counter(drawn).values()) < 70  # 40 a class on average; 70 is 5 standard deviations
    assert (reduced_class(2, K, 0), reduced_class(None, K, 0)) == (2, None)


@pytest.mark.parametrize("include", [True, False])
def test_labelled_images_are_not_lost(include: bool) -> None:
    labelled = label_indices(
        TARGETS, num_classes=K, num_labels=20, label_split="random", label_seed=0
    )
    chosen = unlabelled_indices(
        TARGETS, labelled, num_classes=K, include_lb_to_ulb=include, label_seed=0,
        imbalance_class=0, imbalance_fraction=0.0,
    )  # fmt: skip
    rest = chosen[20:] if include else chosen
    assert 0 not in TARGETS[rest]
    assert len(rest) == sum(TARGETS[i] != 0 for i in POSITIONS if i not in labelled)
    if include:
        np.testing.assert_array_equal(chosen[:20], labelled)
