"""What goes through the layers of a network in one pass: inputs, and where their gradients will be."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, get_gradient_edge


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


def _watch(name: str, layer: nn.Module, num: int, calls: list[Call]) -> Any:
    def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
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


def _spread(num: int) -> Any:
    def spread(_: nn.Module, args: tuple[Any, ...]) -> Any:
        words = args[0] if args else None
        if words is None or words.ndim < 2 or len(words) != 1 or num == 1:
            return None
        return (words.expand(num, *words.shape[1:]), *args[1:])

    return spread
