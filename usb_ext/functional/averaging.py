"""How an unsupervised loss is averaged: over the batch as USB does, or over what was selected.

LayerMatch's Eqs. 2 and 8 divide by the number of selected samples; USB's consistency loss divides by
the whole batch, and the paper's numbers were made with USB.
ours: the setting `ulb_loss_mean` chooses, and `batch` is the default.
"""

import torch


def selected_share(weights: torch.Tensor) -> torch.Tensor:
    """Factor that turns a mean over the batch into a mean over the selected (LayerMatch, Eq. 2).

    Args:
        weights: (B,) per-example weights >= 0; an example counts as selected if its weight is > 0.

    Returns:
        Scalar of shape (): B / number selected. With nothing selected it is B, and the weighted loss
        it multiplies is 0, so an empty selection gives 0.
    """
    selected = (weights > 0).sum().clamp(min=1)
    return weights.shape[0] / selected.to(weights.dtype)


def example_shares(weights: torch.Tensor, mean: str) -> torch.Tensor:
    """Per-example factors whose weighted sum is the chosen mean (LayerMatch, Eqs. 2 and 8).

    Args:
        weights: (B,) per-example weights >= 0.
        mean: `batch` (divide by B) or `selected` (divide by the number of weights > 0).

    Returns:
        (B,) weights divided by the number of examples that the mean runs over.

    Raises:
        ValueError: for another `mean`.
    """
    if mean not in ("batch", "selected"):
        raise ValueError(f"mean is {mean!r}; allowed: batch, selected")
    shares = weights / weights.shape[0]
    return shares * selected_share(weights) if mean == "selected" else shares
