"""Grad-ReLU: the classification layer learns from labelled examples alone (LayerMatch, Sec. 4.2.1).

The rule of the paper: the gradient of a loss with respect to a parameter W is set to zero if W belongs
to the classification layer and the loss is not the supervised one; everywhere else it is untouched.

One forward pass is enough. The rows of the labelled examples go through the layer as usual; the other
rows go through the same numbers as constants. Their logits keep their values and their gradient with
respect to the features, but no path leads from them to the layer's parameters. Because the rule is
part of the graph, whatever follows the backward pass (loss scaling, clipping, weight decay,
accumulation, averaging over processes) needs no care.
"""

import torch
import torch.nn.functional as F


def grad_relu_linear(
    features: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labelled_rows: int,
) -> torch.Tensor:
    """Logits of a linear layer whose parameters see only the first rows (LayerMatch, Sec. 4.2.1).

    Args:
        features: (B, d), input of the layer; labelled examples first.
        weight: (C, d).
        bias: (C,) or None.
        labelled_rows: n in 0..B, how many leading rows are labelled.

    Returns:
        (B, C) logits, equal to `features @ weight.T + bias`; rows n..B-1 carry gradient to `features`
        only.

    Raises:
        ValueError: if `labelled_rows` is negative or larger than B.
    """
    if not 0 <= labelled_rows <= features.shape[0]:
        raise ValueError(f"labelled_rows is {labelled_rows}; allowed: 0..{features.shape[0]}")
    supervised = F.linear(features[:labelled_rows], weight, bias)
    constant_bias = None if bias is None else bias.detach()
    pseudo = F.linear(features[labelled_rows:], weight.detach(), constant_bias)
    return torch.cat((supervised, pseudo))
