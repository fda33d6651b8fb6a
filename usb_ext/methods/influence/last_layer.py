"""Gradients and Hessian of softmax cross-entropy in a linear last layer, in closed form.

Ren et al. (2020, Sec. 3.1) let the influence function see the last layer alone: then neither gradients of
single examples nor the Hessian need a backward pass. With the layer's inputs h (a 1 appended for the bias),
its kernel W (C, D), logits z = W h, probabilities p and a target y of mass m = sum_c y_c (1 for labels):

    gradient  d CE / d W           = (m p - y) h^T                      -> `residuals`, outer h
    Hessian   d^2 CE / d W^2       = m (diag p - p p^T) kron h h^T

The Hessian of a weighted sum never needs to be written down: its product with a matrix V is
sum_i w_i (diag p_i - p_i p_i^T) V h_i h_i^T, which is two matrix products over the examples.

Symbols: n examples, C classes, d features, D = d or d + 1.

Ways to get H^-1 b: Cholesky, conjugate gradients, Neumann series (Ren et al., 2020, Secs. 3.1, 4.3).

The paper inverts the last layer's Hessian exactly, which is a matter of a Cholesky factor while it is small;
a larger one is only ever multiplied with vectors. Lorraine et al. (2020, Eq. 8) approximate the inverse by
the first terms of its Neumann series, alpha * sum_k (I - alpha H)^k, which converges for alpha < 2 / ||H||.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F


def with_bias(features: torch.Tensor, bias: bool) -> torch.Tensor:
    """Inputs of the layer with a 1 for the bias: (n, d) to (n, d + 1), or unchanged without bias.

    Args:
        features: (n, d).
        bias: whether the layer has a bias that is to be seen (Sec. 3.1: a subset of the parameters).
    """
    return F.pad(features, (0, 1), value=1.0) if bias else features


def residuals(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Gradient of each example's cross-entropy in its logits (Sec. 3.1): m p - y, shape (n, C).

    Args:
        logits: (n, C).
        targets: (n,) classes, or (n, C) soft targets, constants; their rows need not sum to 1.

    Returns:
        (n, C). The gradient in the kernel is the outer product with the layer's input.
    """
    known = F.one_hot(targets, logits.shape[-1]) if targets.ndim == 1 else targets
    known = known.to(logits)
    mass = known.sum(dim=-1, keepdim=True)
    return torch.softmax(logits, dim=-1) * mass - known


def mean_gradient(residual: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Gradient (C, D) of the mean cross-entropy, such as g_V of Eq. 6.

    Args:
        residual: (n, C) from `residuals`.
        features: (n, D) from `with_bias`.
    """
    return residual.T @ features / len(features)


@dataclass(frozen=True)
class Curvature:
    """H of Eq. 6 on some examples: sum_i w_i (diag p_i - p_i p_i^T) kron h_i h_i^T + shift * I.

    Attributes:
        probs: (n, C), p_i.
        features: (n, D), h_i.
        weights: (n,), w_i >= 0; means, masks and the examples' own weights are all in here.
        shift: weight decay plus damping, added to the diagonal.
    """

    probs: torch.Tensor
    features: torch.Tensor
    weights: torch.Tensor
    shift: float

    @property
    def size(self) -> int:
        """Parameters of the layer, C * D."""
        return self.probs.shape[1] * self.features.shape[1]

    @property
    def mean_diagonal(self) -> float:
        """trace(H) / P without the shift: the mean eigenvalue, which a relative damping is a share of.

        sum_i w_i (sum_c p_ic (1 - p_ic)) ||h_i||^2 / (C D); it waits for the device once.
        """
        spread = (self.probs * (1 - self.probs)).sum(dim=-1)
        trace = (self.weights * spread * self.features.square().sum(dim=-1)).sum()
        return float(trace) / self.size

    def product(self, vector: torch.Tensor) -> torch.Tensor:
        """H V for V of shape (C, D), in memory n * (C + D) (Sec. 3.1).

        Args:
            vector: (C, D).

        Returns:
            (C, D).
        """
        moved = self.features @ vector.T
        centred = moved - (self.probs * moved).sum(dim=-1, keepdim=True)
        slopes = self.weights[:, None] * self.probs * centred
        return slopes.T @ self.features + self.shift * vector

    def matrix(self) -> torch.Tensor:
        """H written down, (C * D, C * D), row-major in (C, D): for small layers (Sec. 3.1).

        ours: filled one class at a time, so that beside the result the memory is n * C * D.
        """
        classes, width = self.probs.shape[1], self.features.shape[1]
        full = self.features.new_zeros(classes, width, classes, width)
        for c in range(classes):
            rows = -self.probs[:, c : c + 1] * self.probs
            rows[:, c] += self.probs[:, c]
            spread = (self.weights[:, None] * rows)[:, :, None] * self.features[:, None, :]
            full[c] = (self.features.T @ spread.flatten(1)).view(width, classes, width)
        matrix = full.view(self.size, self.size)
        matrix.diagonal().add_(self.shift)
        return matrix


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
