"""The influence of each unlabelled example's weight on the validation loss (Ren et al., 2020, Eq. 6).

    d L_V / d lambda_u = - g_V^T H^-1 g_u

g_V is the mean gradient on validation examples, H the Hessian of the training loss, g_u the gradient of the
unmasked, unweighted unsupervised loss of u, all in the last layer (`last_layer.py`). The system is solved
once, for g_V; then each example costs one product r_u^T S h_u, with r_u its residual and S = H^-1 g_V.

Influence on more than the last layer, by automatic differentiation (Ren et al., 2020, Sec. 4.3).

The two approximations that the paper compares with see more parameters: the identity in place of H^-1
(Luketina et al., 2016) on the whole network, and the Neumann series (Lorraine et al., 2020) on the last
block and the head. Neither needs the gradients of single examples. With v = H^-1 g_V the numbers of Eq. 6
are derivatives of the losses along v,

    - v^T g_u = - d/de l_u(theta + e v) at e = 0,

and one pass in forward mode gives them for all u at once, in the time of two forward passes and without a
table of U gradients. Products with H come from a second backward pass through one kept graph.

Symbols: theta the chosen parameters by name, P their number, U unlabelled examples.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from usb_ext.core.processes import summed
from usb_ext.methods.influence.last_layer import (
    Curvature,
    Product,
    Solution,
    cholesky_solve,
    conjugate_gradients,
    neumann_series,
)

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
        iterations: products with H that the solver made.
        residual: ||g_V - H x|| / ||g_V|| of x = `value`, shape (), made anew from H; 0 where g_V is 0.
        converged: False where conjugate gradients stopped at their last iteration above their tolerance.
    """

    value: torch.Tensor
    raises: int
    iterations: int
    residual: torch.Tensor
    converged: bool


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
            return _checked(found, curvature, right, how, raises)
        curvature = replace(curvature, shift=_raised(curvature))
    raise ArithmeticError("the curvature of the last layer holds infinities or NaN")


def _checked(
    found: Solution, curvature: Curvature, right: torch.Tensor, how: InverseSettings, raises: int
) -> Inverse:
    """A solution with what it leaves of the right side; only a solver out of iterations waits for it."""
    left = (right - curvature.product(found.value)).norm()
    residual = left / right.norm().clamp(min=torch.finfo(right.dtype).tiny)
    out = found.iterations >= how.cg_iterations and how.kind in ("auto", "cg")
    converged = not out or bool(residual <= how.cg_tolerance)
    return Inverse(found.value, raises, found.iterations, residual, converged)


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Cosine of the angle between two tensors of one shape (...), shape (); 0 where one of them is 0.

    Between H^-1 g_V and g_V it says what the inverse does: at 1 it is the identity of Luketina et al.
    (2016) up to length, which Adam does not notice (Ren et al., 2020, Sec. 4.3).

    Args:
        a: (...).
        b: (...).
    """
    length = (a.norm() * b.norm()).clamp(min=torch.finfo(a.dtype).tiny)
    turned: torch.Tensor = (a * b).sum() / length
    return turned


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


Parameters = dict[str, torch.Tensor]
Loss = Callable[[Parameters], torch.Tensor]


def network_weight_gradients(
    parameters: Parameters,
    train_loss: Loss,
    validation_loss: Loss,
    unlabelled_losses: Loss,
    shift: float,
    how: InverseSettings,
) -> tuple[torch.Tensor, int, torch.Tensor]:
    """d L_V / d lambda_u of each example for any chosen parameters (Eq. 6).

    ours: attention runs on its mathematical form here, the only one with second and forward derivatives. Each
    process gives its part of the losses, and gets the derivatives of its own examples.

    Args:
        parameters: tensors of any shapes (...) by name, P numbers in all.
        train_loss: from parameters to the objective, shape ().
        validation_loss: from parameters to L_V, shape ().
        unlabelled_losses: from parameters to the unmasked, unweighted losses, shape (U,).
        shift: weight decay plus damping, added to the diagonal of H.
        how: `neumann` with its rate and terms, or `identity`.

    Returns:
        (U,) derivatives, the number of products with H, and the cosine between H^-1 g_V and g_V.

    Raises:
        ValueError: for another kind.
        ArithmeticError: a series that no step size makes converge.
    """
    if how.kind not in ("identity", "neumann"):
        raise ValueError(f"kind is {how.kind!r}; beyond the head: identity, neumann")
    right = _flat_gradient(validation_loss, parameters)
    found = Solution(right, True, 0)
    if how.kind == "neumann":
        product = hessian_product(train_loss, parameters, shift)
        found = neumann_series(product, right, how.neumann_rate, how.neumann_terms)
    fixed = {name: value.detach() for name, value in parameters.items()}
    direction = _named(found.value, fixed)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        slopes: torch.Tensor = torch.func.jvp(unlabelled_losses, (fixed,), (direction,))[1]
    return -slopes, found.iterations, cosine(found.value, right)


def hessian_product(loss: Loss, parameters: Parameters, shift: float) -> Product:
    """The product V -> (H + shift I) V as a function of flat vectors (P,) (Lorraine et al., Alg. 3).

    Args:
        loss: from parameters to a scalar of shape (); evaluated once, its graph is kept.
        parameters: by name, shapes (...).
        shift: added to the diagonal.
    """
    leaves = _leaves(parameters)
    inputs = tuple(leaves.values())
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        slopes = torch.autograd.grad(
            loss(leaves), inputs, create_graph=True, allow_unused=True, materialize_grads=True
        )
    curved = [n for n, slope in zip(leaves, slopes, strict=True) if slope.requires_grad]
    bent = [slope for slope in slopes if slope.requires_grad]

    def product(vector: torch.Tensor) -> torch.Tensor:
        parts = _named(vector, leaves)
        if not bent:
            return shift * vector
        moved = torch.autograd.grad(
            bent, inputs, [parts[n] for n in curved],
            retain_graph=True, allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        return summed(torch.cat([m.flatten() for m in moved])) + shift * vector

    return product


def _flat_gradient(loss: Loss, parameters: Parameters) -> torch.Tensor:
    """Gradient of a loss as one vector (P,), 0 where it does not depend on a parameter."""
    leaves = _leaves(parameters)
    with torch.enable_grad():
        slopes = torch.autograd.grad(
            loss(leaves), tuple(leaves.values()), allow_unused=True, materialize_grads=True
        )
    return summed(torch.cat([slope.flatten() for slope in slopes]))


def _leaves(parameters: Parameters) -> Parameters:
    return {name: value.detach().requires_grad_() for name, value in parameters.items()}


def _named(vector: torch.Tensor, like: Parameters) -> Parameters:
    """A flat vector (P,) cut into the shapes of `like`."""
    parts = torch.split(vector, [value.numel() for value in like.values()])
    return {n: part.view(v.shape) for part, (n, v) in zip(parts, like.items(), strict=True)}
