"""The k nearest others against a loop over all pairs."""

import numpy as np
import pytest
from support.features import random_points, squared

from usb_ext.as3l.clustering import nearest as module
from usb_ext.as3l.clustering.nearest import neighbours


@pytest.mark.parametrize("queries", [1, 7, 4096])
@pytest.mark.parametrize("inner", [False, True])
def test_equals_the_loop(monkeypatch: pytest.MonkeyPatch, queries: int, inner: bool) -> None:
    monkeypatch.setattr(module, "QUERIES", queries)
    points = random_points(25, 3, 0, np.float32)
    found, values = neighbours(points, 4, inner_product=inner)
    for i, p in enumerate(points):
        near = [(-float(p @ q) if inner else squared(p, q), j) for j, q in enumerate(points)]
        wanted = sorted(pair for pair in near if pair[1] != i)[:4]
        assert found[i].tolist() == [j for _, j in wanted]
        scores = [-v if inner else v for v, _ in wanted]
        np.testing.assert_allclose(values[i], scores, rtol=1e-4, atol=1e-5)


def test_a_sample_is_not_its_own_neighbour_among_equals() -> None:
    found, values = neighbours(np.ones((6, 2)), 3)
    assert all(i not in row for i, row in enumerate(found.tolist()))
    assert all(len(set(row)) == 3 for row in found.tolist())
    assert values.tolist() == [[0.0] * 3] * 6


def test_a_sample_whose_own_product_is_small_is_left_out_all_the_same() -> None:
    points = np.array([[0.1, 0.0], [5.0, 0.0], [6.0, 0.0], [7.0, 0.0]])
    assert neighbours(points, 2, inner_product=True)[0][0].tolist() == [3, 2]


@pytest.mark.parametrize("k", [0, 5])
def test_too_few_samples(k: int) -> None:
    with pytest.raises(ValueError, match=f"{k} neighbours among 5"):
        neighbours(random_points(5, 2, 0), k)
