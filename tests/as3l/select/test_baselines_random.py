"""Random selections: fair, seeded, without repetition."""

import numpy as np
import pytest

from usb_ext.as3l.select.baselines import select_random, select_stratified


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_sample_is_as_likely_as_another() -> None:
    generator = rng()
    counts = np.zeros(10)
    for _ in range(3000):
        chosen = select_random(10, 3, generator)
        assert len(set(chosen.tolist())) == 3
        counts[chosen] += 1
    np.testing.assert_allclose(counts / 3000, 0.3, atol=0.03)


TARGETS = np.array([0] * 10 + [1] * 2 + [2] * 10 + [-1] * 5)


@pytest.mark.parametrize("budget", range(1, 23))
def test_classes_take_turns_until_one_runs_out(budget: int) -> None:
    chosen = select_stratified(TARGETS, budget, rng(budget))
    counts = np.bincount(TARGETS[chosen], minlength=3)
    assert len(set(chosen.tolist())) == budget
    assert counts[1] <= 2
    assert abs(counts[0] - counts[2]) <= 1
    assert counts[1] == 2 or counts.max() - counts[1] <= 1


def test_stratified_draws_within_a_class_and_among_classes() -> None:
    generator = rng(1)
    singles = [int(select_stratified(TARGETS, 1, generator)[0]) for _ in range(600)]
    shares = np.bincount(TARGETS[singles], minlength=3) / 600
    np.testing.assert_allclose(shares, 1 / 3, atol=0.07)
    assert set(range(10)) <= set(singles)
