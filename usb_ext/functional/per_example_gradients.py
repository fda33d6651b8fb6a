"""Gradients of each example's own loss with respect to a whole network (Ren et al., 2020, Sec. 3.1).

Backpropagation sums over the batch. `layers` runs one backward pass to the activations and keeps the
examples apart in a product for each layer (`one_backward`); `func` lets torch.func map the gradient over
the examples, for any kind of layer; `loop` goes one example at a time, the paper's serial baseline.
`layers` is the default: on one CPU thread it took less time than `func` on WRN-28-2 (64 images) and on
ViT-tiny (8 images), as `usb-ext bench --per-example` measures.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from usb_ext.methods.influence.per_example.gradients import Gradients, gradients_by_layers

Losses = Callable[[Any, Any], torch.Tensor]
Method = Literal["layers", "func", "loop"]


def per_example_gradients(
    module: nn.Module, losses: Losses, batch: Any, *, method: Method = "layers", chunk: int = 16
) -> Gradients:
    """Gradient of each example's loss for every trainable parameter: {name: (B, *parameter's shape)}.

    All B gradients are in memory at once, 4 B bytes a parameter in float32. A parameter that the losses do
    not depend on gets zeros. The network runs in the mode it is in; its batch norm must be in evaluation
    mode (or under `frozen_statistics`), where an example's loss depends on no other.

    Args:
        module: the network. `layers` knows linear, convolution, batch-norm, layer-norm and embedding
            layers, called any number of times, and parameters of shape (1, m, ...) that are added or
            joined to every example (class token and positions of a ViT).
        losses: from (network, batch) to the losses, shape (B,). The network is called like `module`; loss i
            may depend on row i of the batch alone.
        batch: a tensor (B, ...), or a dict, list or tuple of such.
        method: `layers`, `func` or `loop`.
        chunk: examples that `func` takes at a time.

    Raises:
        ValueError: a layer that `layers` does not know (it is named), losses not of shape (B,), or an input
            that was overwritten after its layer had read it.
    """
    if method == "layers":
        num = batch_size(batch)
        return gradients_by_layers(module, lambda net: _summed(losses(net, batch), num), num)
    if method == "func":
        return _by_func(module, losses, batch, chunk)
    if method == "loop":
        return _by_loop(module, losses, batch)
    raise ValueError(f"method is {method!r}; known: layers, func, loop")


def batch_size(batch: Any) -> int:
    """B, the rows of the first tensor of a batch.

    Raises:
        ValueError: no tensor in it.
    """
    if isinstance(batch, torch.Tensor):
        return len(batch)
    parts = batch.values() if isinstance(batch, dict) else batch
    for part in parts if isinstance(batch, dict | list | tuple) else ():
        return batch_size(part)
    raise ValueError(f"a batch is a tensor, or a dict, list or tuple of tensors, not {type(batch)}")


def _summed(losses: torch.Tensor, num: int) -> torch.Tensor:
    if losses.shape != (num,):
        raise ValueError(f"losses have shape {tuple(losses.shape)}; expected one each, ({num},)")
    return losses.sum()


def _by_func(module: nn.Module, losses: Losses, batch: Any, chunk: int) -> Gradients:
    known = {n: p.detach() for n, p in module.named_parameters() if p.requires_grad}

    def one(parameters: Gradients, example: Any) -> torch.Tensor:
        def network(*args: Any, **kwargs: Any) -> Any:
            return functional_call(module, parameters, args, kwargs)

        return _summed(losses(network, _mapped(example, lambda t: t[None])), 1)

    mapped = vmap(grad(one), in_dims=(None, 0), chunk_size=chunk, randomness="different")
    found: Gradients = mapped(known, batch)
    return found


def _by_loop(module: nn.Module, losses: Losses, batch: Any) -> Gradients:
    known = {n: p for n, p in module.named_parameters() if p.requires_grad}
    inputs = tuple(known.values())
    rows: list[tuple[torch.Tensor, ...]] = []
    for i in range(batch_size(batch)):
        with torch.enable_grad():
            loss = _summed(losses(module, _mapped(batch, lambda t, i=i: t[i : i + 1])), 1)  # type: ignore[misc]
        rows.append(torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True))
    columns = zip(*rows, strict=True)
    return {name: torch.stack(part) for name, part in zip(known, columns, strict=True)}


def _mapped(batch: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A batch with every tensor changed."""
    if isinstance(batch, torch.Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {key: _mapped(part, change) for key, part in batch.items()}
    return type(batch)(_mapped(part, change) for part in batch)
