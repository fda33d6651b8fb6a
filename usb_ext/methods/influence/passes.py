"""One batch through the network as the influence function needs it: no statistics moved, no graph kept.

Which parameters the influence is computed on: the head, the last block with it, or all of them.

Ren et al. (2020, Sec. 4.3) give Lorraine et al.'s method "the last ResNet block and the classification
layers". Blocks are named differently in every network, but all stand in a Sequential or a ModuleList.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.methods.influence.last_layer import residuals, with_bias

Inputs = torch.Tensor | dict[str, torch.Tensor]
Gather = Callable[[torch.Tensor, int], torch.Tensor]
"""From rows (n, ...) of this process and the number of rows of all to the rows of all."""


def itself(rows: torch.Tensor, total: int) -> torch.Tensor:
    """The (total, ...) rows of one process, which are those of all."""
    return rows


@dataclass(frozen=True)
class Seen:
    """A training batch, as the step saw it: B labelled, U unlabelled examples, C classes.

    Inputs are this process's share of the batch, everything else is of the whole batch.

    Attributes:
        x_lb: (B, ...) labelled inputs, or a dict of them.
        y_lb: (B,) classes.
        x_ulb: (U, ...) the unlabelled views that carry the loss.
        indices: (U,) positions in the unlabelled set.
        targets: (U,) or (U, C) pseudo-labels, constants.
        shares: (U,) factor of each example's loss in the objective: mask, weight, mean and loss weight.
        gather: how what the network gives for the inputs becomes that of the whole batch.
    """

    x_lb: Inputs
    y_lb: torch.Tensor
    x_ulb: Inputs
    indices: torch.Tensor
    targets: torch.Tensor
    shares: torch.Tensor
    gather: Gather = itself


@dataclass(frozen=True)
class HeadBatch:
    """What the last layer does on n examples.

    Attributes:
        features: (n, D), its inputs with a 1 for the bias.
        probs: (n, C).
        residual: (n, C), gradient of each cross-entropy in the logits.
        loss: mean cross-entropy, shape ().
    """

    features: torch.Tensor
    probs: torch.Tensor
    residual: torch.Tensor
    loss: torch.Tensor


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, every module is in evaluation mode and the network is not compiled.

    Each module's own mode comes back afterwards, also of those that someone keeps in evaluation mode. A
    compiled network would be compiled a second time for this pass, for longer than it saves.
    """
    trained = [module for module in model.modules() if module.training]
    compiled = model.__dict__.pop("_compiled_call_impl", None)
    model.eval()
    try:
        yield
    finally:
        for module in trained:
            module.training = True
        if compiled is not None:
            model._compiled_call_impl = compiled


@torch.no_grad()
def head_pass(
    model: nn.Module,
    head: nn.Linear,
    inputs: Inputs,
    targets: torch.Tensor,
    *,
    bias: bool,
    dtype: torch.dtype,
    gather: Gather = itself,
) -> HeadBatch:
    """One forward pass, seen from the last layer.

    Args:
        model: the network, in evaluation mode.
        head: its classification layer.
        inputs: (n, ...), or a dict of them; this process's share of them.
        targets: (n,) or (n, C), all of them.
        bias: whether the head's bias counts among its parameters.
        dtype: of everything that is returned.
        gather: how the rows of this process become those of all.
    """
    seen: list[torch.Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    try:
        logits = gather(model(inputs)["logits"], len(targets)).to(dtype)
    finally:
        handle.remove()
    features = with_bias(gather(seen[-1], len(targets)).to(dtype), bias and head.bias is not None)
    known = targets if targets.ndim == 1 else targets.to(dtype)
    loss = F.cross_entropy(logits, known)
    return HeadBatch(features, torch.softmax(logits, dim=-1), residuals(logits, targets), loss)


def precision(device: torch.device) -> torch.dtype:
    """Double precision, where the device has it: small systems, and differences of small numbers."""
    return torch.float32 if device.type == "mps" else torch.float64


def mass(targets: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Sum of each target, (n,): 1 for classes (n,), the row's sum for (n, C)."""
    ones = like.new_ones(len(targets))
    return ones if targets.ndim == 1 else targets.to(like).sum(dim=-1)


def per_example_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropies (n,) of logits (n, C) and targets (n,) or (n, C)."""
    known = targets if targets.ndim == 1 else targets.to(logits)
    return F.cross_entropy(logits, known, reduction="none")


def chosen_parameters(model: nn.Module, head: nn.Linear, which: str) -> dict[str, nn.Parameter]:
    """Trainable parameters by name, in the network's own order.

    ours: the last block is the member of a container without the head whose weight matrices come last,
    and everything registered after it: a residual unit of WRN and ResNet with the head, a
    transformer layer with pooler and head, the last linear layer of a plain MLP.

    Args:
        model: the network.
        head: its classification layer.
        which: `head`, `last_block` or `network`.

    Raises:
        SettingsError: no such block.
    """
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if which == "network":
        return named
    if which == "head":
        own = {id(p) for p in head.parameters()}
        return {n: p for n, p in named.items() if id(p) in own}
    block = _last_block(model, head)
    names = list(named)
    first = min(names.index(n) for n in names if n.startswith(f"{block}."))
    return {n: named[n] for n in names[first:]}


def _last_block(model: nn.Module, head: nn.Module) -> str:
    """Name of the last block; of blocks within blocks the outer one."""
    place = {name: number for number, (name, _) in enumerate(model.named_parameters())}
    found, furthest = "", -1
    for name, container in model.named_modules():
        if not isinstance(container, nn.Sequential | nn.ModuleList):
            continue
        if head in set(container.modules()):
            continue
        for key, member in container.named_children():
            block = f"{name}.{key}" if name else key
            kernels = [n for n, p in member.named_parameters() if p.requires_grad and p.ndim > 1]
            reach = max((place.get(f"{block}.{n}", -1) for n in kernels), default=-1)
            if reach > furthest:
                found, furthest = block, reach
    if not found:
        raise SettingsError(
            f"influence_params is last_block, but {type(model).__name__} has no Sequential or "
            "ModuleList of blocks; use influence_params: head or network"
        )
    return found
