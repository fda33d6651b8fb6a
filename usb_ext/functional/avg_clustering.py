"""Avg-Clustering: a second unsupervised loss through a slowly averaged head (LayerMatch, Eq. 8).

Symbols of the paper and their names here: theta the network below the head; beta the head, `weight`
(C, d) and `bias` (C,); beta-bar the averaged head; alpha `lr`; m `momentum`; N the reset period, which
belongs to the hook that owns the head.

    beta-bar_t = beta_t                                                       if t mod N = 0
               = m beta-bar_{t-1} + (1 - m) (beta-bar_{t-1} - alpha grad L_AC)   otherwise

The gradient with respect to beta-bar is the closed form of softmax cross-entropy: it needs no graph,
and neither loss scaling nor the loss weight w_ac of Eq. 9 can leak into it.

A step is tiny: (1 - m) alpha = 5e-7 of the gradient. In float32 the neighbours of a weight of 0.05 are
4e-9 apart, so of a gradient of 0.02 a step loses up to a fifth, and of one below 0.004 everything.
ours: beta-bar is kept as the head at the last reset (`base`) and the sum of the steps since (`drift`);
only their sum is rounded, and never kept.
"""

import torch
import torch.nn.functional as F


def averaged_head_gradient(
    features: torch.Tensor,
    logits: torch.Tensor,
    targets: torch.Tensor,
    example_weights: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of sum_i w_i CE(target_i, logits_i) with respect to a linear head (LayerMatch, Eq. 8).

    Args:
        features: (B, d), input of the head.
        logits: (B, C), output of the averaged head on `features`.
        targets: (B,) class indices, or (B, C) probabilities.
        example_weights: (B,), w_i; the mean is part of it (divide by B or by the number selected).

    Returns:
        Gradients of shape (C, d) for the weight and (C,) for the bias.
    """
    probabilities = torch.softmax(logits, dim=-1)
    if targets.ndim == 1:
        targets = F.one_hot(targets, logits.shape[-1])
    targets = targets.to(probabilities)
    total = targets.sum(dim=-1, keepdim=True)
    residual = (probabilities * total - targets) * example_weights.unsqueeze(-1)
    return residual.T @ features, residual.sum(dim=0)


@torch.no_grad()
def step_drift(
    drift: torch.Tensor, gradient: torch.Tensor, lr: float, momentum: float
) -> torch.Tensor:
    """Move the drift of the averaged head by one averaging step (LayerMatch, Eq. 8).

    With beta-bar = base + drift and the base fixed since the last reset, m b + (1 - m)(b - alpha g) is
    b - (1 - m) alpha g, so drift <- drift - (1 - m) alpha g.

    Args:
        drift: how far a tensor of the averaged head is from its base, any shape (...); changed in
            place.
        gradient: g, gradient of L_AC with respect to that tensor, same shape.
        lr: alpha >= 0, step size (5e-4 in the paper).
        momentum: m in [0, 1] (0.999 in the paper).

    Returns:
        `drift` itself.
    """
    return drift.sub_(gradient.to(drift), alpha=(1.0 - momentum) * lr)
