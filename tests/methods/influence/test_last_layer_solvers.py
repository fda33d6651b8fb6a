"""The solvers against torch.linalg, against each other, and on matrices that they must refuse."""

import pytest
import torch

from usb_ext.methods.influence.last_layer import (
    Curvature,
    cholesky_solve,
    conjugate_gradients,
    neumann_series,
)

SIZE = 30


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def positive(seed: int, least: float = 0.1) -> torch.Tensor:
    root = normal(SIZE, SIZE, seed=seed)
    return root @ root.T / SIZE + least * torch.eye(SIZE, dtype=torch.float64)


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()


def test_cholesky_solves() -> None:
    matrix, right = positive(0), normal(5, 6, seed=1)
    found = cholesky_solve(matrix, right)
    wanted = torch.linalg.inv(matrix) @ right.flatten()
    assert found.positive and relative(found.value.flatten(), wanted) < 1e-10


def test_conjugate_gradients_and_cholesky_agree_on_a_last_layer() -> None:
    """10 classes, 65 features, 60 examples, weights from 0 to 2: as a run has them."""
    probs = torch.softmax(3 * normal(60, 10, seed=2), dim=-1)
    weights = torch.linspace(0, 2, 60, dtype=torch.float64) / 60
    curvature = Curvature(probs, normal(60, 65, seed=3), weights, shift=0.01)
    right = normal(10, 65, seed=4)
    exact = cholesky_solve(curvature.matrix(), right).value
    found = conjugate_gradients(curvature.product, right, 1e-10, 1000)
    assert relative(found.value, exact) < 1e-6
    assert 0 < found.iterations < 650


def test_conjugate_gradients_stop_where_they_are_told() -> None:
    matrix, right = positive(5), normal(SIZE, seed=6)
    loose = conjugate_gradients(matrix.mv, right, 1e-2, 1000)
    assert (right - matrix @ loose.value).norm() <= 1e-2 * right.norm()
    tight = conjugate_gradients(matrix.mv, right, 1e-9, 1000)
    assert loose.iterations < tight.iterations <= SIZE + 5
    assert conjugate_gradients(matrix.mv, right, 1e-9, 3).iterations == 3


def test_nothing_to_solve_gives_nothing() -> None:
    found = conjugate_gradients(positive(5).mv, torch.zeros(SIZE).double(), 1e-6, 10)
    assert found.positive and not found.value.any() and found.iterations == 0


@pytest.mark.parametrize("broken", [-0.5, float("nan")])
def test_what_is_not_positive_definite_is_refused(broken: float) -> None:
    matrix = positive(7)
    matrix[3, 3] = broken
    right = normal(SIZE, seed=8)
    assert not cholesky_solve(matrix, right).positive
    assert not conjugate_gradients(matrix.mv, right, 1e-12, 1000).positive


def test_the_neumann_series_adds_up_and_tends_to_the_inverse() -> None:
    matrix, right = positive(9, least=0.5), normal(SIZE, seed=10)
    rate = 1 / torch.linalg.eigvalsh(matrix).max().item()
    shrink, total, power = torch.eye(SIZE).double() - rate * matrix, right.clone(), right.clone()
    for _ in range(4):
        power = shrink @ power
        total += power
    found = neumann_series(matrix.mv, right, rate, 4)
    torch.testing.assert_close(found.value, rate * total)
    assert found.iterations == 4
    wanted = torch.linalg.solve(matrix, right)
    steep = neumann_series(matrix.mv, right, 50 * rate, 40)  # diverges, and so does a tenth of it
    tamed = neumann_series(matrix.mv, right, 0.5 * rate, 40)
    torch.testing.assert_close(steep.value, tamed.value)
    assert steep.iterations == 120
    errors = [
        relative(neumann_series(matrix.mv, right, rate, k).value, wanted) for k in (4, 40, 400)
    ]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-6


def test_a_series_of_no_numbers_is_refused() -> None:
    matrix = positive(7)
    matrix[3, 3] = float("nan")
    with pytest.raises(ArithmeticError, match="NaN"):
        neumann_series(matrix.mv, normal(SIZE, seed=8), 0.1, 3)
