"""Smooth pseudo-labelling: a weight that rises from 0 at the threshold instead of jumping there.

Pseudo-labelling switches an unlabelled example on when its confidence s passes the threshold tau, so the
derivative of its loss jumps. The Smooth Pseudo-Labeling paper (Eqs. 13 to 16, Sec. 3.5) multiplies the
loss by Phi(s) = (relu(s - tau) / (1 - tau))^mu instead: 0 at tau, 1 at s = 1, continuous in between.
mu is 1 (linear), 2 (`sq`) or 1/2 (`sqrt`). mu towards 0 approaches the hard threshold away from tau.
"""

import torch

TINY = 1e-12
"""ours: where an adaptive threshold reaches 1 the width 1 - tau is taken as this, and Phi is 0."""


def smooth_weight(
    confidence: torch.Tensor, threshold: torch.Tensor | float, exponent: float = 1.0
) -> torch.Tensor:
    """Phi of each example (Eqs. 13 and 15, and the family of Sec. 3.5).

    Differentiable in the confidence; the pseudo-label loss uses it under stop-gradient. At the
    threshold and below it the value and the gradient are 0, also for mu < 1, whose derivative is
    unbounded just above.

    Args:
        confidence: (U,) s, the largest probability of the weak view, in [0, 1].
        threshold: tau in [0, 1): a number, or (U,) one for each example.
        exponent: mu > 0.

    Returns:
        (U,) in [0, 1]; above 0 exactly where s > tau.
    """
    margin = confidence - threshold
    above = margin > 0
    safe = torch.where(above, margin / _width(threshold), 1.0)
    return torch.where(above, safe**exponent, 0.0)


def factor_loss(
    confidence: torch.Tensor, threshold: torch.Tensor | float, exponent: float = 1.0
) -> torch.Tensor:
    """The factor as a loss, - sg(Phi) Phi of each example, without its weight (Eq. 23).

    Its derivative is - mu x^(2 mu - 1) / (1 - tau) with x = (s - tau) / (1 - tau): continuous at
    tau for mu > 1/2, a jump for mu = 1/2, without bound for mu < 1/2.

    Args:
        confidence: (U,) s with gradient.
        threshold: tau, a number or (U,).
        exponent: mu > 0.

    Returns:
        (U,) in [-1, 0].
    """
    factor = smooth_weight(confidence, threshold, exponent)
    return -factor.detach() * factor


def factor_loss_limit(
    confidence: torch.Tensor, threshold: torch.Tensor | float, weight: float, exponent: float = 1.0
) -> torch.Tensor:
    """Weight of the factor loss from which the weak view is learned more than the strong (Sec. C.2).

    Both losses carry Phi, so it cancels where their derivatives in s are equal:
    lambda_Phi mu x^(mu - 1) / (1 - tau) = lambda_u / s. For mu = 1 this is the paper's
    lambda_u (1 - tau) / s. ours: the same condition for the other exponents.

    Args:
        confidence: (...) s in (tau, 1], in the paper one value at equilibrium.
        threshold: tau, a number or of the same shape.
        weight: lambda_u.
        exponent: mu > 0.

    Returns:
        (...) the limit of lambda_Phi, of the shape of `confidence`.
    """
    width = _width(threshold)
    share = (confidence - threshold) / width
    return weight * width / (exponent * share ** (exponent - 1) * confidence)


def _width(threshold: torch.Tensor | float) -> torch.Tensor | float:
    """1 - tau, kept above 0; a number, or shape (U,) as the threshold."""
    if isinstance(threshold, torch.Tensor):
        return (1 - threshold).clamp(min=TINY)
    return max(1 - threshold, TINY)
