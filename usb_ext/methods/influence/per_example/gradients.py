"""Per-example gradients by one backward pass to the activations and a product for each layer.

Ren et al. (2020, Sec. 3.1): with L = sum over u of l_u and h_u a layer's output on example u, dL/dh_u is
dl_u/dh_u, so that one pass gives it for all u at once; the chain rule through the layer's own parameters is
then done for each example (`layer_products`). Gradients of the parameters themselves are not computed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from usb_ext.functional.recorded_calls import Call, recorded
from usb_ext.methods.influence.per_example.layers import PRODUCTS

Gradients = dict[str, torch.Tensor]
OTHER_WAY = "use method='func', or add its rule to layer_products.PRODUCTS"


def gradients_by_layers(
    module: nn.Module, losses: Callable[[Any], torch.Tensor], num: int
) -> Gradients:
    """{name: (B, *parameter's shape)} of the trainable parameters.

    Args:
        module: the network; see `per_example_gradients` for what it may hold.
        losses: from the network, or one that is called like it, to the sum of the losses, shape ().
        num: B, examples of the pass.

    Raises:
        ValueError: a layer of an unknown kind, one that is gone round, or an overwritten input.
    """
    layers, shared = sort_parameters(module)
    copies = {n: p.detach().expand(num, *p.shape[1:]).requires_grad_() for n, p in shared.items()}

    def network(*args: Any, **kwargs: Any) -> Any:
        return functional_call(module, copies, args, kwargs) if copies else module(*args, **kwargs)

    with torch.enable_grad(), recorded(layers, num) as calls:
        total = losses(network)
    called = {id(p) for call in calls for p in call.layer.parameters()}
    known = {n: p for n, p in module.named_parameters() if p.requires_grad}
    silent = {n: p for n, p in known.items() if n not in copies and id(p) not in called}
    slopes = _backward(total, calls, copies, silent)
    found = {name: slope[:, None] for name, slope in slopes.items()}
    _multiply(calls, known, found)
    return {n: found[n] if n in found else p.new_zeros(num, *p.shape) for n, p in known.items()}


def sort_parameters(module: nn.Module) -> tuple[dict[str, nn.Module], dict[str, nn.Parameter]]:
    """Layers whose product is known, and parameters (1, m, ...) that every example shares, by name.

    Args:
        module: the network.

    Raises:
        ValueError: a layer of another kind with trainable parameters.
    """
    layers: dict[str, nn.Module] = {}
    shared: dict[str, nn.Parameter] = {}
    for name, layer in module.named_modules():
        own = {n: p for n, p in layer.named_parameters(name, recurse=False) if p.requires_grad}
        if own and type(layer) in PRODUCTS:
            layers[name] = layer
            continue
        for key, parameter in own.items():
            if parameter.ndim < 3 or parameter.shape[0] != 1:
                raise ValueError(
                    f"layer {name or 'at the top'} ({type(layer).__name__}) holds {key} of shape "
                    f"{tuple(parameter.shape)}, and per-example gradients know no rule for it; {OTHER_WAY}"
                )
            shared[key] = parameter
    return layers, shared


def _backward(
    total: torch.Tensor, calls: list[Call], copies: Gradients, silent: dict[str, nn.Parameter]
) -> Gradients:
    """One pass: fills the calls' slopes and gives those (B, m, ...) of the copies; finds parameters that
    are used without their layer.
    """
    wanted: list[Any] = [*(call.edge for call in calls), *copies.values(), *silent.values()]
    if not (wanted and total.requires_grad):
        return {}
    slopes = torch.autograd.grad(total, wanted, allow_unused=True)
    for call, slope in zip(calls, slopes, strict=False):
        call.slope = slope
    first = len(calls) + len(copies)
    for name, slope in zip(silent, slopes[first:], strict=True):
        if slope is not None:
            raise ValueError(f"parameter {name} is used, but its layer is not called; {OTHER_WAY}")
    pairs = zip(copies, slopes[len(calls) : first], strict=True)
    return {name: slope for name, slope in pairs if slope is not None}


def _multiply(calls: list[Call], known: dict[str, nn.Parameter], found: Gradients) -> None:
    """Add every call's products (B, ...) to the gradients found, under the parameters' own names."""
    names = {id(p): n for n, p in known.items()}
    while calls:
        call = calls.pop()
        if call.slope is None:
            continue
        for key, product in _products(call, call.slope).items():
            parameter = getattr(call.layer, key)
            if parameter is None or id(parameter) not in names:
                continue
            name = names[id(parameter)]
            found[name] = found[name].add_(product) if name in found else product


def _products(call: Call, slope: torch.Tensor) -> Gradients:
    """The products of one call, each (B, ...), in the type of the layer's weight."""
    kind, dtype = type(call.layer), next(call.layer.parameters()).dtype
    where = f"layer {call.name} ({kind.__name__})"
    if call.inputs._version != call.version:
        raise ValueError(f"{where}: its input was overwritten after it had been read")
    inputs = call.inputs.to(dtype) if call.inputs.is_floating_point() else call.inputs
    try:
        return PRODUCTS[kind](call.layer, inputs, slope.to(dtype))
    except ValueError as error:
        raise ValueError(f"{where} {error}") from error
