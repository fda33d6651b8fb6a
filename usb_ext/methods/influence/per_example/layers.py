"""From a layer's input and the gradient at its output to the gradients of its parameters, per example.

Ren et al. (2020, Sec. 3.1) run one backward pass for the activations of the whole batch; what is left is
a product for each kind of layer, which keeps the batch dimension that backpropagation sums away.

Symbols: B examples, d inputs, O outputs, C channels, V words; `...` are positions, which are summed.

Per-example gradients of a convolution's weight (Ren et al., 2020, Sec. 3.1 and Appendix B).

The gradient of example b is the correlation of its input with the gradient of its output. Two ways to do
all B at once, and the one that measured faster for the case at hand (float32, one CPU thread, B = 64):

- grouped: the B examples are B groups of one convolution, whose weight gradient has a row for each. Wins
  on many positions (32 to 32 channels on 32 x 32: 16 ms against 22; plain batch gradient 15).
- columns: the patches under the kernel as columns, then one matrix product an example. Wins on few
  positions (128 to 128 channels on 8 x 8: 31 ms against 77), where a group is too small to be fast.

Symbols: B examples, C inputs, O outputs, G groups, k kernel sides, P output positions of an example.

What goes through the layers of a network in one pass: inputs, and where their gradients will be.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.grad import conv1d_weight, conv2d_weight, conv3d_weight
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

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


def _weight_gradient(dimensions: int) -> Callable[..., torch.Tensor]:
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
            "the others; use .eval(), or frozen_statistics for those of this batch"
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


@dataclass
class Call:
    """One call of a layer, on the path to the losses.

    Attributes:
        name: the layer's name in the network.
        layer: the layer.
        inputs: (B, ...), what it got, detached.
        version: how often the input's memory had been written by then.
        edge: where backpropagation has the gradient (B, ...) of its output; an activation may have
            overwritten the output itself since.
        slope: that gradient, once it is known; None where the losses do not depend on the call.
    """

    name: str
    layer: nn.Module
    inputs: torch.Tensor
    version: int
    edge: GradientEdge
    slope: torch.Tensor | None = None


@contextmanager
def recorded(layers: Mapping[str, nn.Module], num: int) -> Iterator[list[Call]]:
    """Within, every call of one of the layers that carries a gradient is put into the list.

    A table of words that is asked for one row of words while there are more examples (positions, which
    all share) is asked for as many rows; the network adds them to its examples one to one then.

    Args:
        layers: by name.
        num: B, examples of the pass.

    Raises:
        ValueError: in the pass, for a layer whose input does not have a row for each example.
    """
    calls: list[Call] = []
    handles = [_watch(name, layer, num, calls) for name, layer in layers.items()]
    handles += [
        layer.register_forward_pre_hook(_spread(num))
        for layer in layers.values()
        if isinstance(layer, nn.Embedding)
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _watch(name: str, layer: nn.Module, num: int, calls: list[Call]) -> RemovableHandle:
    def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        if not (isinstance(output, torch.Tensor) and output.requires_grad):
            return
        inputs: torch.Tensor = args[0] if args else kwargs["input"]
        if len(inputs) != num:
            raise ValueError(
                f"layer {name} ({type(layer).__name__}) got {tuple(inputs.shape)} for {num} examples; "
                "per-example gradients need the examples in the first dimension"
            )
        edge = get_gradient_edge(output)
        calls.append(Call(name, layer, inputs.detach(), inputs._version, edge))

    return layer.register_forward_hook(note, with_kwargs=True)


def _spread(
    num: int,
) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...] | None]:
    def spread(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        words = args[0] if args else None
        if words is None or words.ndim < 2 or len(words) != 1 or num == 1:
            return None
        return (words.expand(num, *words.shape[1:]), *args[1:])

    return spread
