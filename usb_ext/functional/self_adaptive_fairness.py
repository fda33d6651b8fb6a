"""Self-adaptive fairness: FreeMatch's entropy term, without a host synchronisation.

FreeMatch (Wang et al., ICLR 2023), Eqs. 9-11: the mean prediction on the selected strong views, divided
by the histogram of their predicted classes and normalised, is pushed away from the running mean
prediction on weak views, divided by its running histogram and normalised. USB computes it on the
selected rows only, behind an `if` that waits for the device; here every row takes part with weight 0 or
1, which is the same sum.
"""

import torch


def fairness_loss(
    selected: torch.Tensor,
    logits_strong: torch.Tensor,
    running_probability: torch.Tensor,
    running_histogram: torch.Tensor,
) -> torch.Tensor:
    """FreeMatch's fairness term, Eq. 11; 0 when nothing is selected.

    Args:
        selected: (B,) 1 for a selected example, 0 for the others (any dtype; > 0 counts as 1).
        logits_strong: (B, C) logits of the strong views; gradients flow to them.
        running_probability: (C,) running mean of weak-view probabilities.
        running_histogram: (C,) running histogram of weak-view predictions, sums to 1.

    Returns:
        Scalar of shape (); added to the total loss with a positive factor.
    """
    probabilities = logits_strong.softmax(dim=-1)
    chosen = (selected > 0).to(probabilities.dtype)
    count = chosen.sum()
    safe_count = count.clamp(min=1.0)
    histogram = torch.zeros_like(running_probability, dtype=probabilities.dtype)
    histogram = histogram.index_add(0, probabilities.argmax(dim=-1), chosen) / safe_count
    mean_probability = (probabilities * chosen.unsqueeze(-1)).sum(dim=0) / safe_count
    target = _normalised(running_probability * _inverse(running_histogram)).detach()
    balanced = _normalised(mean_probability * _inverse(histogram))
    loss = (target * torch.log(balanced + 1e-12)).sum()
    return torch.where(count > 0, loss, torch.zeros_like(loss))


def _inverse(values: torch.Tensor) -> torch.Tensor:
    """1 / values, shape (C,), with 0 where a value is 0."""
    positive = values > 0
    return torch.where(positive, 1.0 / torch.where(positive, values, 1.0), 0.0).detach()


def _normalised(values: torch.Tensor) -> torch.Tensor:
    """Values of shape (C,) divided by their sum; all 0 where the sum is 0."""
    total = values.sum()
    return values / torch.where(total > 0, total, 1.0)
