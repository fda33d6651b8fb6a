"""Per-example gradients of a convolution's weight (Ren et al., 2020, Sec. 3.1 and Appendix B).

The gradient of example b is the correlation of its input with the gradient of its output. Two ways to do
all B at once, and the one that measured faster for the case at hand (float32, one CPU thread, B = 64):

- grouped: the B examples are B groups of one convolution, whose weight gradient has a row for each. Wins
  on many positions (32 to 32 channels on 32 x 32: 16 ms against 22; plain batch gradient 15).
- columns: the patches under the kernel as columns, then one matrix product an example. Wins on few
  positions (128 to 128 channels on 8 x 8: 31 ms against 77), where a group is too small to be fast.

Symbols: B examples, C inputs, O outputs, G groups, k kernel sides, P output positions of an example.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.grad import conv1d_weight, conv2d_weight, conv3d_weight

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d
FEW_POSITIONS = 128
"""ours: below so many output positions of an example the columns are used (measured, see above)."""

COLUMN_NUMBERS = 2**20
"""ours: about so many numbers of columns at a time, so that they stay in the cache."""


def conv_weight_gradients(layer: Conv, inputs: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Gradient of the weight for each example, shape (B, O, C / G, *k).

    Args:
        layer: any stride, padding, padding mode, dilation and groups.
        inputs: (B, C, *spatial), what the layer got.
        slopes: (B, O, *positions), gradient of each example's loss at the layer's output.
    """
    padded, padding = _padded(layer, inputs)
    positions = slopes[0, 0].numel()
    if isinstance(layer, nn.Conv2d) and layer.groups == 1 and positions < FEW_POSITIONS:
        return by_columns(layer, padded, slopes, padding)
    return by_groups(layer, padded, slopes, padding)


def _padded(layer: Conv, inputs: torch.Tensor) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Inputs and what is left to be padded with zeros: reflected, wrapped or `same` padding is done."""
    if layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return inputs, layer.padding
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    sides: Sequence[int] = layer._reversed_padding_repeated_twice
    return F.pad(inputs, list(sides), mode=mode), (0,) * len(layer.kernel_size)


def by_groups(
    layer: Conv, inputs: torch.Tensor, slopes: torch.Tensor, padding: tuple[int, ...]
) -> torch.Tensor:
    """As one convolution with B times as many groups: shape (B, O, C / G, *k).

    Args:
        layer: the convolution.
        inputs: (B, C, *spatial), already padded where zeros will not do.
        slopes: (B, O, *positions).
        padding: zeros a side still to be added.
    """
    b, _, *spatial = inputs.shape
    shape = (b * layer.out_channels, *layer.weight.shape[1:])
    found = _weight_gradient(len(spatial))(
        inputs.reshape(1, -1, *spatial),
        shape,
        slopes.reshape(1, -1, *slopes.shape[2:]),
        stride=layer.stride,
        padding=padding,
        dilation=layer.dilation,
        groups=b * layer.groups,
    )
    gradients: torch.Tensor = found.view(b, *layer.weight.shape)
    return gradients


def _weight_gradient(dimensions: int) -> Any:
    return (conv1d_weight, conv2d_weight, conv3d_weight)[dimensions - 1]


def by_columns(
    layer: nn.Conv2d, inputs: torch.Tensor, slopes: torch.Tensor, padding: tuple[int, ...]
) -> torch.Tensor:
    """As products of (O, P) output gradients and (P, C k k) patches: shape (B, O, C, k, k).

    Args:
        layer: a convolution of images without groups.
        inputs: (B, C, H, W), already padded where zeros will not do.
        slopes: (B, O, h, w), P = h w.
        padding: zeros a side still to be added.
    """
    b, p = len(inputs), slopes[0, 0].numel()
    length = layer.weight[0].numel()
    gradients = inputs.new_empty(b, layer.out_channels, length)
    few = max(1, COLUMN_NUMBERS // (length * p))
    for rows in torch.split(torch.arange(b), few):
        here = slice(int(rows[0]), int(rows[-1]) + 1)
        columns = F.unfold(inputs[here], layer.kernel_size, layer.dilation, padding, layer.stride)
        torch.bmm(slopes[here].flatten(2), columns.mT, out=gradients[here])
    return gradients.view(b, *layer.weight.shape)
