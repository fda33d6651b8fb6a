"""Reduced features against the eigenvectors of their covariance, in float64."""

import numpy as np
import pytest

from usb_ext.as3l.frozen import reduced as module
from usb_ext.as3l.frozen.reduced import reduced


def rooted(values: np.ndarray) -> np.ndarray:
    roots = [np.sign(row) * np.sqrt(np.abs(row)) for row in values.astype(np.float64)]
    return np.array([row / np.sqrt((row**2).sum()) for row in roots])


@pytest.fixture
def values() -> np.ndarray:
    scale = np.linspace(0.3, 3, 12)
    return (np.random.default_rng(0).normal(size=(60, 12)) * scale).astype(np.float32)


@pytest.mark.parametrize("learned_from", [60, 40])
def test_they_lie_along_the_directions_of_largest_variance(
    values: np.ndarray, learned_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMPONENTS", 5)
    monkeypatch.setattr(module, "LEARNED_FROM", learned_from)
    made, wanted = reduced(values), rooted(values)
    seen = wanted
    if learned_from < len(values):
        seen = wanted[np.sort(np.random.default_rng(0).choice(60, learned_from, replace=False))]
    center = seen.mean(axis=0)
    lengths, axes = np.linalg.eigh((seen - center).T @ (seen - center))
    largest = axes[:, np.argsort(lengths)[::-1][:5]]
    found = (wanted - center) @ largest
    assert made.dtype == np.float32 and made.shape == (60, 5)
    signs = np.sign((made * found).sum(axis=0))
    assert np.allclose(made, found * signs, atol=1e-5)


def test_no_more_numbers_than_there_are_images_or_numbers(values: np.ndarray) -> None:
    assert reduced(values).shape == (60, 12) and reduced(values[:7]).shape == (7, 7)
    assert np.isfinite(reduced(np.vstack([values[:7], np.zeros((1, 12), np.float32)]))).all()
