"""The influence of each unlabelled example's weight on the validation loss (Ren et al., 2020, Eq. 6).

    d L_V / d lambda_u = - g_V^T H^-1 g_u

g_V is the mean gradient on validation examples, H the Hessian of the training loss, g_u the gradient of the
unmasked, unweighted unsupervised loss of u, all in the last layer (`last_layer.py`). The system is solved
once, for g_V; then each example costs one product r_u^T S h_u, with r_u its residual and S = H^-1 g_V.
"""

from dataclasses import dataclass, replace

import torch

from usb_ext.functional.linear_solve import (
    Solution,
    cholesky_solve,
    conjugate_gradients,
    neumann_series,
)
from usb_ext.methods.influence.last_layer import Curvature

MAX_RAISES = 30
"""ours: a curvature that is not positive definite after 30 tenfold dampings holds no numbers."""


@dataclass(frozen=True)
class InverseSettings:
    """How H^-1 g_V is found.

    Attributes:
        kind: `auto` (exact up to `exact_size` parameters, else cg), `exact`, `cg`, `identity` (Luketina
            et al., 2016) or `neumann` (Lorraine et al., 2020).
        exact_size: parameters C * D up to which `auto` writes H down.
        cg_tolerance: relative residual at which conjugate gradients stop.
        cg_iterations: where they stop in any case.
        neumann_rate: alpha of the series.
        neumann_terms: K of the series.
    """

    kind: str = "auto"
    exact_size: int = 2048
    cg_tolerance: float = 1e-8
    cg_iterations: int = 100
    neumann_rate: float = 0.01
    neumann_terms: int = 20


@dataclass(frozen=True)
class Inverse:
    """H^-1 g_V and how it came about.

    Attributes:
        value: (C, D).
        raises: how often the damping had to be raised tenfold.
        iterations: products with H.
    """

    value: torch.Tensor
    raises: int
    iterations: int


def inverse_product(curvature: Curvature, right: torch.Tensor, how: InverseSettings) -> Inverse:
    """H^-1 g_V (Eq. 6); a curvature that is not positive definite gets ten times the damping.

    Args:
        curvature: H, of a layer with C * D parameters.
        right: g_V, (C, D).
        how: the solver.

    Raises:
        ValueError: for an unknown kind.
        ArithmeticError: if no damping helps, which means that there are infinities or NaN in it.
    """
    for raises in range(MAX_RAISES):
        found = _solve(curvature, right, how)
        if found.positive:
            return Inverse(found.value, raises, found.iterations)
        curvature = replace(curvature, shift=_raised(curvature))
    raise ArithmeticError("the curvature of the last layer holds infinities or NaN")


def _solve(curvature: Curvature, right: torch.Tensor, how: InverseSettings) -> Solution:
    kind = how.kind
    if kind == "auto":
        kind = "exact" if curvature.size <= how.exact_size else "cg"
    if kind == "exact":
        return cholesky_solve(curvature.matrix(), right)
    if kind == "cg":
        return conjugate_gradients(curvature.product, right, how.cg_tolerance, how.cg_iterations)
    if kind == "neumann":
        return neumann_series(curvature.product, right, how.neumann_rate, how.neumann_terms)
    if kind == "identity":
        return Solution(right, True, 0)
    raise ValueError(f"kind is {kind!r}; allowed: auto, exact, cg, identity, neumann")


def _raised(curvature: Curvature) -> float:
    """Ten times the damping; from 0 it starts at the rounding error of the diagonal's bound."""
    scale = (curvature.weights.abs() * curvature.features.square().amax(dim=-1)).sum()
    least = torch.finfo(scale.dtype).eps * float(scale)
    return max(10 * curvature.shift, least, torch.finfo(scale.dtype).tiny)


def weight_gradients(
    inverse: torch.Tensor, residual: torch.Tensor, features: torch.Tensor
) -> torch.Tensor:
    """d L_V / d lambda_u = - r_u^T (H^-1 g_V) h_u of each example, shape (U,) (Eq. 6).

    ours: g_u is the gradient of the loss of u as it stands in Eq. 2, a sum; a mean over the batch would
    divide all U numbers alike, which Adam does not notice.

    Args:
        inverse: (C, D), H^-1 g_V.
        residual: (U, C), from `last_layer.residuals` with the unmasked targets.
        features: (U, D), inputs of the last layer, as for H.
    """
    return -((residual @ inverse) * features).sum(dim=-1)
