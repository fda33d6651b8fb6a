"""Features as both stages prepare them."""

import numpy as np
import pytest
from support.features import random_points

from usb_ext.as3l.clustering.fine_tuning import (
    CHOICE,
    SPREADING,
    TUNING,
    Tuning,
    fine_features,
    scaled,
    stream,
    tuned_features,
)

POINTS = random_points(30, 3, 0, np.float32)


def test_scaling() -> None:
    np.testing.assert_allclose(np.linalg.norm(scaled(POINTS, Tuning()), axis=1), 1, rtol=1e-6)
    assert scaled(POINTS, Tuning(normalise="none")) is POINTS
    away = POINTS + np.float32(40)
    wanted = away.astype(np.float64) - away.astype(np.float64).mean(axis=0)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(scaled(away, Tuning(normalise="centered")), wanted, atol=1e-4)


def test_without_epochs_only_the_scaling_is_left() -> None:
    np.testing.assert_array_equal(
        fine_features(POINTS, 3, 0, Tuning(epochs=0)), scaled(POINTS, Tuning())
    )


@pytest.mark.parametrize("normalise", ["l2", "centered", "none"])
def test_every_number_reaches_the_fine_tuning(normalise: str) -> None:
    tuning = Tuning(runs=2, epochs=3, normalise=normalise, points_per_center=5)
    got = fine_features(POINTS, 4, 9, tuning)
    wanted = tuned_features(
        scaled(POINTS, tuning), 4, stream(9, TUNING), runs=2, epochs=3, points_per_center=5
    )
    np.testing.assert_array_equal(got, wanted)


def test_streams_are_apart_and_fixed_by_the_seed() -> None:
    draws = {
        stream(seed, p).integers(2**40) for seed in (0, 1) for p in (TUNING, CHOICE, SPREADING)
    }
    assert len(draws) == 6
    assert stream(3, CHOICE).integers(2**40) == stream(3, CHOICE).integers(2**40)
