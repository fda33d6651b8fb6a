"""Feature fine-tuning against Eq. 6 as it is written, and against its closed-form minimum."""

import numpy as np
import pytest
import torch
from support.features import blobs, random_points

from usb_ext.as3l.clustering.fine_tuning import eq_6, fine_tune, mean_centers, tuned_features
from usb_ext.as3l.clustering.kmeans import Clustering


def clusterings(count: int, width: int, runs: int = 3) -> list[Clustering]:
    rng = np.random.default_rng(0)
    return [
        Clustering(rng.normal(size=(4, width)), rng.integers(4, size=count), 0.0)
        for _ in range(runs)
    ]


def test_the_mean_center_gives_the_gradient_of_eq_6() -> None:
    runs = clusterings(9, 3)
    tuned = torch.from_numpy(random_points(9, 3, 1)).requires_grad_()
    centers = [torch.from_numpy(r.centers[r.assignment]) for r in runs]
    written = sum(((tuned[i] - centers[j][i]) ** 2).sum() for i in range(9) for j in range(3)) / (
        3 * 9
    )
    mean = torch.from_numpy(mean_centers(runs)).double()
    (wanted,) = torch.autograd.grad(written, tuned)
    (got,) = torch.autograd.grad(eq_6(tuned, mean), tuned)
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-7)
    spread = sum(((c - mean) ** 2).sum() for c in centers) / (3 * 9)
    assert written.item() == pytest.approx((eq_6(tuned, mean) + spread).item(), rel=1e-6)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_it_goes_to_the_least_squares_solution() -> None:
    x, targets = random_points(64, 3, 2, np.float32), random_points(64, 3, 3, np.float32)
    with_one = np.hstack([x, np.ones((64, 1))])
    wanted = with_one @ np.linalg.lstsq(with_one, targets, rcond=None)[0]
    got = fine_tune(x, targets, generator(), epochs=300, batch_size=64, lr=0.05)
    np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_it_starts_as_the_identity_and_the_first_step_is_adams() -> None:
    """One full-batch step of Adam moves every weight by lr against the sign of its gradient."""
    x, targets = random_points(16, 2, 4, np.float32), random_points(16, 2, 5, np.float32)
    np.testing.assert_array_equal(fine_tune(x, targets, generator(), epochs=0), x)
    got = fine_tune(x, targets, generator(), epochs=1, batch_size=16, lr=0.01)
    gap = 2 * (x - targets) / 16
    weight = np.eye(2) - 0.01 * np.sign(gap.T @ x)
    wanted = x @ weight.T - 0.01 * np.sign(gap.sum(axis=0))
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_clusters_become_tighter_and_a_seed_fixes_the_result() -> None:
    x, targets = blobs(4, 30, spread=1.0)
    rng = np.random.default_rng

    def tightness(values: np.ndarray) -> float:
        within = sum(values[targets == c].var(axis=0).sum() for c in range(4)) / 4
        return float(within / values.var(axis=0).sum())

    state = torch.get_rng_state()
    tuned = tuned_features(x, 4, rng(0), runs=3, epochs=40)
    assert torch.equal(state, torch.get_rng_state())
    assert tightness(tuned) < tightness(x)
    np.testing.assert_array_equal(tuned, tuned_features(x, 4, rng(0), runs=3, epochs=40))
    assert not np.array_equal(tuned, tuned_features(x, 4, rng(1), runs=3, epochs=40))
