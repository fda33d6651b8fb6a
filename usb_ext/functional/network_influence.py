"""Influence on more than the last layer, by automatic differentiation (Ren et al., 2020, Sec. 4.3).

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

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from usb_ext.functional.linear_solve import Product, Solution, neumann_series
from usb_ext.methods.influence.gradients import InverseSettings

Parameters = dict[str, torch.Tensor]
Loss = Callable[[Parameters], torch.Tensor]


def network_weight_gradients(
    parameters: Parameters,
    train_loss: Loss,
    validation_loss: Loss,
    unlabelled_losses: Loss,
    shift: float,
    how: InverseSettings,
) -> tuple[torch.Tensor, int]:
    """d L_V / d lambda_u of each example for any chosen parameters (Eq. 6).

    ours: attention runs on its mathematical form here, the only one with second and forward derivatives.

    Args:
        parameters: tensors of any shapes (...) by name, P numbers in all.
        train_loss: from parameters to the objective, shape ().
        validation_loss: from parameters to L_V, shape ().
        unlabelled_losses: from parameters to the unmasked, unweighted losses, shape (U,).
        shift: weight decay plus damping, added to the diagonal of H.
        how: `neumann` with its rate and terms, or `identity`.

    Returns:
        (U,) derivatives and the number of products with H.

    Raises:
        ValueError: for another kind.
        ArithmeticError: a series that no step size makes converge.
    """
    if how.kind not in ("identity", "neumann"):
        raise ValueError(f"kind is {how.kind!r}; beyond the head: identity, neumann")
    found = Solution(_flat_gradient(validation_loss, parameters), True, 0)
    if how.kind == "neumann":
        product = hessian_product(train_loss, parameters, shift)
        found = neumann_series(product, found.value, how.neumann_rate, how.neumann_terms)
    fixed = {name: value.detach() for name, value in parameters.items()}
    direction = _named(found.value, fixed)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        slopes: torch.Tensor = torch.func.jvp(unlabelled_losses, (fixed,), (direction,))[1]
    return -slopes, found.iterations


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
        return torch.cat([m.flatten() for m in moved]) + shift * vector

    return product


def _flat_gradient(loss: Loss, parameters: Parameters) -> torch.Tensor:
    """Gradient of a loss as one vector (P,), 0 where it does not depend on a parameter."""
    leaves = _leaves(parameters)
    with torch.enable_grad():
        slopes = torch.autograd.grad(
            loss(leaves), tuple(leaves.values()), allow_unused=True, materialize_grads=True
        )
    return torch.cat([slope.flatten() for slope in slopes])


def _leaves(parameters: Parameters) -> Parameters:
    return {name: value.detach().requires_grad_() for name, value in parameters.items()}


def _named(vector: torch.Tensor, like: Parameters) -> Parameters:
    """A flat vector (P,) cut into the shapes of `like`."""
    parts = torch.split(vector, [value.numel() for value in like.values()])
    return {n: part.view(v.shape) for part, (n, v) in zip(parts, like.items(), strict=True)}
