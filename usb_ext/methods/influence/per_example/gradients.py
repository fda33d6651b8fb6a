"""Per-example gradients by one backward pass to the activations and a product for each layer.

Ren et al. (2020, Sec. 3.1): with L = sum over u of l_u and h_u a layer's output on example u, dL/dh_u is
dl_u/dh_u, so that one pass gives it for all u at once; the chain rule through the layer's own parameters is
then done for each example (`layer_products`). Gradients of the parameters themselves are not computed.

Gradients of each example's own loss with respect to a whole network (Ren et al., 2020, Sec. 3.1).

Backpropagation sums over the batch. `layers` runs one backward pass to the activations and keeps the
examples apart in a product for each layer (`one_backward`); `func` lets torch.func map the gradient over
the examples, for any kind of layer; `loop` goes one example at a time, the paper's serial baseline.
`layers` is the default: on one CPU thread it took less time than `func` on WRN-28-2 (64 images) and on
ViT-tiny (8 images), as `usb-ext bench --per-example` measures.

Batch norm with the statistics of one batch, held constant.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.modules.batchnorm import _BatchNorm

from usb_ext.methods.influence.per_example.layers import PRODUCTS, Call, recorded

Gradients = dict[str, torch.Tensor]

Nested = Any
"""A tensor, or a dict, list or tuple of such to any depth; the losses know which."""

Network = Callable[..., Any]
"""The network, or what is called like it and gives what it gives: a tensor or a dict of them."""

OTHER_WAY = "use method='func', or add its rule to layer_products.PRODUCTS"


def gradients_by_layers(
    module: nn.Module, losses: Callable[[Network], torch.Tensor], num: int
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


Losses = Callable[[Network, Nested], torch.Tensor]
Method = Literal["layers", "func", "loop"]


def per_example_gradients(
    module: nn.Module, losses: Losses, batch: Nested, *, method: Method = "layers", chunk: int = 16
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
        ValueError: a layer that `layers` does not know (it is named); a batch or a layer's input with
            something else than the examples in its first dimension (sequence first); losses not of shape
            (B,), or that do not take some rows alone; an input overwritten after its layer had read it.
    """
    if method == "layers":
        num = batch_size(batch)
        found = gradients_by_layers(module, lambda net: _summed(losses(net, batch), num), num)
        _examples_first(module, losses, batch, num)
        return found
    if method == "func":
        return _by_func(module, losses, batch, chunk)
    if method == "loop":
        return _by_loop(module, losses, batch)
    raise ValueError(f"method is {method!r}; known: layers, func, loop")


def _examples_first(module: nn.Module, losses: Losses, batch: Nested, num: int) -> None:
    """Refuse a batch or a layer whose first dimension is not the examples though it is as long: words first.

    Two rows of the batch go through once more, without gradient: what is still as long as all of them were is
    something else, and so are rows that do not give a loss each.
    """
    few = min(2, num - 1)
    if not few or any(m.training for m in module.modules() if isinstance(m, _BatchNorm)):
        return  # a batch norm on statistics of the batch is refused by name afterwards
    odd: list[str] = []

    def look(name: str) -> Callable[..., None]:
        def check(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            shape = tuple((args[0] if args else kwargs["input"]).shape)
            if shape[0] == num:
                odd.append(f"layer {name} ({type(layer).__name__}) got {shape}")

        return check

    layers, _ = sort_parameters(module)
    handles = [m.register_forward_pre_hook(look(n), with_kwargs=True) for n, m in layers.items()]
    try:
        with torch.no_grad(), torch.random.fork_rng():
            shape = tuple(losses(module, _mapped(batch, lambda t: t[:few])).shape)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(
            f"the losses must take any rows of the batch, but with {few} of {num}: {error}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if shape != (few,):
        odd.append(f"losses had shape {shape}")
    if odd:
        raise ValueError(
            f"{odd[0]} for {few} of the {num} rows of the batch: its first dimension is not the examples; "
            "per-example gradients need them there (batch_first)"
        )


def batch_size(batch: Nested) -> int:
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


def _by_func(module: nn.Module, losses: Losses, batch: Nested, chunk: int) -> Gradients:
    known = {n: p.detach() for n, p in module.named_parameters() if p.requires_grad}

    def one(parameters: Gradients, example: Nested) -> torch.Tensor:
        def network(*args: Any, **kwargs: Any) -> Any:
            return functional_call(module, parameters, args, kwargs)

        return _summed(losses(network, _mapped(example, lambda t: t[None])), 1)

    mapped = vmap(grad(one), in_dims=(None, 0), chunk_size=chunk, randomness="different")
    found: Gradients = mapped(known, batch)
    return found


def _by_loop(module: nn.Module, losses: Losses, batch: Nested) -> Gradients:
    known = {n: p for n, p in module.named_parameters() if p.requires_grad}
    inputs = tuple(known.values())
    rows: list[tuple[torch.Tensor, ...]] = []
    for i in range(batch_size(batch)):
        with torch.enable_grad():
            loss = _summed(losses(module, _mapped(batch, lambda t, i=i: t[i : i + 1])), 1)  # type: ignore[misc]
        rows.append(torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True))
    columns = zip(*rows, strict=True)
    return {name: torch.stack(part) for name, part in zip(known, columns, strict=True)}


def _mapped(batch: Nested, change: Callable[[torch.Tensor], torch.Tensor]) -> Nested:
    """A batch with every tensor changed."""
    if isinstance(batch, torch.Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {key: _mapped(part, change) for key, part in batch.items()}
    return type(batch)(_mapped(part, change) for part in batch)


@contextmanager
def frozen_statistics(module: nn.Module, run: Callable[[], object]) -> Iterator[None]:
    """Within, every batch norm uses the statistics that one batch gave it, as constants.

    In training mode the mean and variance of a batch tie its examples together, so there is no gradient
    of one example alone. Ren et al. (2020, Appendix B) take the statistics as constants; here they are
    found in one pass without gradient, layer by layer, each on the output of frozen ones.

    ours: the biased variance is taken, with which training mode normalises too.

    Args:
        module: the network; afterwards its modes and running statistics are what they were.
        run: passes the batch through it.
    """
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    before = [(m.training, m.running_mean, m.running_var) for m in norms]
    handles = [m.register_forward_pre_hook(_measure) for m in norms]
    try:
        for norm in norms:
            norm.eval()
        with torch.no_grad():
            run()
        for handle in handles:
            handle.remove()
        yield
    finally:
        for handle in handles:
            handle.remove()
        for norm, (training, mean, variance) in zip(norms, before, strict=True):
            norm.training, norm.running_mean, norm.running_var = training, mean, variance


def _measure(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Put the mean and variance (C,) of the input (B, C, ...) where evaluation mode reads them."""
    x: torch.Tensor = inputs[0].detach()
    dims = [0, *range(2, x.ndim)]
    norm.running_var, norm.running_mean = torch.var_mean(x, dim=dims, correction=0)
