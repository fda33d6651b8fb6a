"""LLGC against the dense closed form (I - alpha W)^-1 Y, with W made by a loop over pairs."""

import numpy as np
import pytest
from support.features import blobs, random_points

from usb_ext.as3l.propagate.llgc import LlgcNumbers, llgc, normalised_graph


def dense_graph(points: np.ndarray, k: int, power: float) -> np.ndarray:
    """Nearest others by inner product, max(0, .)^gamma, both directions added, degrees divided out."""
    unit = [p / np.sqrt((p * p).sum()) for p in points.astype(np.float64)]
    n = len(points)
    weights = np.zeros((n, n))
    for i in range(n):
        order = sorted((j for j in range(n) if j != i), key=lambda j: -float(unit[i] @ unit[j]))
        for j in order[:k]:
            weight = max(0.0, float(unit[i] @ unit[j])) ** power
            weights[i, j] += weight
            weights[j, i] += weight
    degree = weights.sum(axis=1)
    return np.array(
        [[weights[i, j] / np.sqrt(degree[i] * degree[j]) for j in range(n)] for i in range(n)]
    )


@pytest.mark.parametrize(("k", "power", "alpha"), [(4, 3.0, 0.99), (7, 1.0, 0.5), (100, 2.0, 0.9)])
def test_equals_the_closed_form(k: int, power: float, alpha: float) -> None:
    points, targets = blobs(3, 12, spread=1.5)
    rows = np.array([0, 1, 13, 30])
    numbers = LlgcNumbers(neighbours=k, power=power, alpha=alpha, steps=2000)
    graph = dense_graph(points, min(k, 35), power)
    np.testing.assert_allclose(
        normalised_graph(points, numbers).toarray(), graph, rtol=1e-4, atol=1e-6
    )
    labels = np.zeros((36, 3))
    labels[0, 0] = labels[1, 0] = 0.5  # two labels of the first class
    labels[13, 1] = labels[30, 2] = 1.0
    spread = np.linalg.inv(np.eye(36) - alpha * graph) @ labels
    wanted = spread / spread.sum(axis=1, keepdims=True)
    got = llgc(points, rows, targets[rows], 3, numbers)
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=2e-5)


def test_rows_sum_to_one_or_to_zero_where_no_label_arrives() -> None:
    """Two groups at a right angle share no edge of positive weight."""
    points = np.zeros((20, 4))
    points[:10, :2] = np.abs(random_points(10, 2, 0)) + 0.1
    points[10:, 2:] = np.abs(random_points(10, 2, 1)) + 0.1
    prior = llgc(points, np.array([0, 3]), np.array([0, 1]), 2, LlgcNumbers(neighbours=5))
    np.testing.assert_allclose(prior[:10].sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(prior[10:], np.zeros((10, 2)))
    assert prior.dtype == np.float32 and (prior >= 0).all()


def test_a_few_steps_find_the_classes_of_groups_far_apart() -> None:
    points, targets = blobs(4, 30)
    rows = np.arange(4) * 30
    prior = llgc(points, rows, targets[rows], 4, LlgcNumbers(neighbours=8))
    assert (prior.argmax(axis=1) == targets).all()
