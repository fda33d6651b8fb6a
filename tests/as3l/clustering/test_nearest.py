"""Distances and sums by blocks, against index loops."""

from typing import Any

import numpy as np
import pytest
import torch
from support.features import random_points, squared

from usb_ext.as3l.clustering import nearest
from usb_ext.as3l.clustering.nearest import (
    cluster_means,
    cluster_sums,
    distances_to,
    nearest_center,
    part_of,
    placed,
    rows_of,
    squared_distances,
)
from usb_ext.core import arrays


@pytest.fixture(params=[3, 10**6], ids=["blocks of one row", "one block"])
def block_values(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "BLOCK_VALUES", request.param)
    monkeypatch.setattr(nearest, "DEVICE_VALUES", request.param)


@pytest.fixture(params=[np.asarray, torch.from_numpy], ids=["array", "tensor"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Samples as an array, or as the tensor that they are on a device."""
    return request.param


def test_nearest_center_equals_the_loop(block_values: None, kind: Any) -> None:
    points, centers = random_points(40, 4, 0), random_points(6, 4, 1)
    assignment, distance = nearest_center(kind(points), centers)
    for i, point in enumerate(points):
        own = [squared(point, c) for c in centers]
        assert assignment[i] == int(np.argmin(own))
        assert distance[i] == pytest.approx(min(own), rel=1e-10, abs=1e-12)


def test_of_equally_near_centers_the_first(kind: Any) -> None:
    centers = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    assignment, distance = nearest_center(kind(np.zeros((1, 2))), centers)
    assert assignment.tolist() == [0] and distance.tolist() == [1.0]


def test_a_distance_is_never_negative(kind: Any) -> None:
    points = random_points(50, 8, 2, np.float32) + 100
    assert nearest_center(kind(points), points)[1].min() >= 0


def test_distances_to_a_few_centers_equal_the_loop(kind: Any) -> None:
    points, centers = random_points(9, 4, 0), random_points(3, 4, 1)
    wanted = [[squared(point, center) for center in centers] for point in points]
    np.testing.assert_allclose(distances_to(kind(points), centers), wanted, rtol=1e-10, atol=1e-12)


def test_samples_stay_an_array_but_on_a_gpu(kind: Any) -> None:
    points = random_points(9, 3, 6)
    rows = np.array([4, 1, 1])
    np.testing.assert_array_equal(rows_of(kind(points), rows), points[[4, 1, 1]])
    np.testing.assert_array_equal(np.asarray(part_of(kind(points), rows)), points[[4, 1, 1]])
    assert placed(points, None) is points and placed(points, torch.device("cpu")) is points


def test_sums_counts_and_means_equal_the_loop(block_values: None, kind: Any) -> None:
    points = random_points(30, 3, 3)
    assignment = np.random.default_rng(4).integers(-1, 4, size=30)
    assignment[assignment == 2] = 0  # cluster 2 stays empty
    former = random_points(4, 3, 5)
    sums, counts = cluster_sums(kind(points), assignment, 4)
    means = cluster_means(kind(points), assignment, former)
    for k in range(4):
        own = [points[i] for i in range(30) if assignment[i] == k]
        assert counts[k] == len(own)
        np.testing.assert_allclose(sums[k], sum(own, np.zeros(3)), atol=1e-12)
        wanted = former[k] if k == 2 else sum(own, np.zeros(3)) / len(own)
        np.testing.assert_allclose(means[k], wanted, atol=1e-12)


def test_distances_of_pairs(block_values: None) -> None:
    a, b = random_points(9, 3, 6), random_points(9, 3, 7)
    wanted = [squared(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(squared_distances(a, b), wanted, rtol=1e-12)
