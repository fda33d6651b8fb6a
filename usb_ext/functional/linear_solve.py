"""Ways to get H^-1 b: Cholesky, conjugate gradients, Neumann series (Ren et al., 2020, Secs. 3.1, 4.3).

The paper inverts the last layer's Hessian exactly, which is a matter of a Cholesky factor while it is small;
a larger one is only ever multiplied with vectors. Lorraine et al. (2020, Eq. 8) approximate the inverse by
the first terms of its Neumann series, alpha * sum_k (I - alpha H)^k, which converges for alpha < 2 / ||H||.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

MAX_ATTEMPTS = 10
"""ours: a Neumann series that no 1e-9 of its alpha tames holds no numbers."""

Product = Callable[[torch.Tensor], torch.Tensor]


class Solution(NamedTuple):
    """What a solver found.

    Attributes:
        value: x with H x = b, of b's shape (...).
        positive: False if H was found not to be positive definite; x is then of no use.
        iterations: products with H that were made; 0 for Cholesky.
    """

    value: torch.Tensor
    positive: bool
    iterations: int


def cholesky_solve(matrix: torch.Tensor, right: torch.Tensor) -> Solution:
    """x with H x = b by a Cholesky factor (Sec. 3.1: the exact inverse); waits for the device once.

    Args:
        matrix: (P, P), symmetric.
        right: (...) with P numbers.
    """
    factor, failed = torch.linalg.cholesky_ex(matrix)
    solved = torch.cholesky_solve(right.reshape(-1, 1), factor).reshape(right.shape)
    return Solution(solved, not bool(failed), 0)


def conjugate_gradients(
    product: Product, right: torch.Tensor, tolerance: float, max_iterations: int
) -> Solution:
    """x with H x = b by conjugate gradients, where H is too large to write down (Sec. 3.1).

    It waits for the device once an iteration, to see whether it is done and whether p^T H p > 0.

    Args:
        product: V to H V.
        right: b, of any shape (...).
        tolerance: stops at ||b - H x|| <= tolerance * ||b||.
        max_iterations: stops there in any case.
    """
    solved, residual = torch.zeros_like(right), right.clone()
    direction, square = residual.clone(), (residual * residual).sum()
    goal = tolerance**2 * square
    for done in range(max_iterations):
        moved = product(direction)
        bend = (direction * moved).sum()
        finished, positive = torch.stack((square <= goal, bend > 0)).tolist()
        if finished:
            return Solution(solved, True, done)
        if not positive:
            return Solution(solved, False, done)
        step = square / bend
        solved += step * direction
        residual -= step * moved
        square, before = (residual * residual).sum(), square
        direction = residual + square / before * direction
    return Solution(solved, True, max_iterations)


def neumann_series(product: Product, right: torch.Tensor, rate: float, terms: int) -> Solution:
    """alpha * sum_{k=0}^{K} (I - alpha H)^k b (Lorraine et al., 2020, Eq. 8; Ren et al., Sec. 4.3).

    ours: a series whose last term is larger than its first does not converge; it is made again with a
    tenth of alpha. It waits for the device once a series, to see that.

    Args:
        product: V to H V.
        right: b, of any shape (...).
        rate: alpha > 0.
        terms: K >= 0, products with H of one series.

    Raises:
        ArithmeticError: if no alpha helps, which means that there are infinities or NaN in it.
    """
    for attempt in range(MAX_ATTEMPTS):
        power, total = right.clone(), right.clone()
        for _ in range(terms):
            power = power - rate * product(power)
            total += power
        if bool(power.norm() <= (1 + 1e-6) * right.norm()):
            return Solution(rate * total, True, (attempt + 1) * terms)
        rate /= 10
    raise ArithmeticError("the Neumann series holds infinities or NaN")
