"""From a layer's input and the gradient at its output to the gradients of its parameters, per example.

Ren et al. (2020, Sec. 3.1) run one backward pass for the activations of the whole batch; what is left is
a product for each kind of layer, which keeps the batch dimension that backpropagation sums away.

Symbols: B examples, d inputs, O outputs, C channels, V words; `...` are positions, which are summed.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from usb_ext.functional.conv_products import Conv, conv_weight_gradients

Product = Callable[[Any, torch.Tensor, torch.Tensor], dict[str, torch.Tensor]]


def linear(layer: nn.Linear, inputs: torch.Tensor, slopes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weight (B, O, d): sum over positions of slope times input; bias (B, O): sum of slopes.

    Args:
        layer: y = W x + b.
        inputs: (B, ..., d).
        slopes: (B, ..., O).
    """
    x, g = inputs.flatten(1, -2) if inputs.ndim > 2 else inputs[:, None], _rows(slopes)
    return {"weight": torch.bmm(g.mT, x), "bias": g.sum(dim=1)}


def _rows(slopes: torch.Tensor) -> torch.Tensor:
    """(B, O) or (B, ..., O) as (B, positions, O)."""
    return slopes.flatten(1, -2) if slopes.ndim > 2 else slopes[:, None]


def conv(layer: Conv, inputs: torch.Tensor, slopes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weight (B, O, C / G, *k), see `conv_products`; bias (B, O): sum over positions.

    Args:
        layer: a convolution in 1, 2 or 3 dimensions.
        inputs: (B, C, *spatial).
        slopes: (B, O, *positions).
    """
    weight = conv_weight_gradients(layer, inputs, slopes)
    return {"weight": weight, "bias": slopes.flatten(2).sum(dim=2)}


def batch_norm(
    layer: _BatchNorm, inputs: torch.Tensor, slopes: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Weight (B, C): slope times normalised input, over positions; bias (B, C): sum of slopes.

    Args:
        layer: in evaluation mode, so that its statistics are constants.
        inputs: (B, C) or (B, C, *positions).
        slopes: of the same shape.

    Raises:
        ValueError: statistics of the batch, through which every example's loss depends on the others.
    """
    if layer.training or layer.running_mean is None or layer.running_var is None:
        raise ValueError(
            "is a batch norm on statistics of the batch, through which an example's loss depends on "
            "the others; use .eval(), or functional.frozen_statistics for those of this batch"
        )
    x, g = inputs.flatten(2) if inputs.ndim > 2 else inputs[..., None], _channels(slopes)
    scale = torch.rsqrt(layer.running_var + layer.eps)[:, None]
    normal = (x - layer.running_mean[:, None]) * scale
    return {"weight": (g * normal).sum(dim=2), "bias": g.sum(dim=2)}


def _channels(slopes: torch.Tensor) -> torch.Tensor:
    """(B, C) or (B, C, ...) as (B, C, positions)."""
    return slopes.flatten(2) if slopes.ndim > 2 else slopes[..., None]


def layer_norm(
    layer: nn.LayerNorm, inputs: torch.Tensor, slopes: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Weight (B, *shape): slope times normalised input; bias: sum of slopes, over the positions.

    Args:
        layer: normalises over its last dimensions, `normalized_shape`.
        inputs: (B, ..., *normalized_shape).
        slopes: of the same shape.
    """
    normal = F.layer_norm(inputs, layer.normalized_shape, eps=layer.eps)
    keep = inputs.ndim - len(layer.normalized_shape)
    weight, bias = slopes * normal, slopes
    if keep > 1:
        weight, bias = (t.flatten(1, keep - 1).sum(dim=1) for t in (weight, bias))
    return {"weight": weight, "bias": bias}


def embedding(
    layer: nn.Embedding, inputs: torch.Tensor, slopes: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Weight (B, V, d): each slope added to the row of its word; nothing to the row of the padding.

    Args:
        layer: a table of V rows.
        inputs: (B, ...) integers, the words.
        slopes: (B, ..., d).

    Raises:
        ValueError: options under which the row of a word depends on the other examples.
    """
    if layer.scale_grad_by_freq or layer.max_norm is not None:
        raise ValueError(
            "has scale_grad_by_freq or max_norm, which mix the examples; switch both off"
        )
    b, (v, d) = len(inputs), layer.weight.shape
    words, g = inputs.reshape(b, -1), slopes.reshape(b, -1, d)
    if layer.padding_idx is not None:
        g = g * (words != layer.padding_idx)[..., None]
    rows = words + v * torch.arange(b, device=words.device)[:, None]
    table = g.new_zeros(b * v, d).index_add_(0, rows.flatten(), g.flatten(0, 1))
    return {"weight": table.view(b, v, d)}


PRODUCTS: dict[type[nn.Module], Product] = {
    nn.Linear: linear,
    nn.Conv1d: conv,
    nn.Conv2d: conv,
    nn.Conv3d: conv,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.BatchNorm3d: batch_norm,
    nn.LayerNorm: layer_norm,
    nn.Embedding: embedding,
}
"""The product of each kind of layer; a subclass may compute something else and is not taken for its base."""
