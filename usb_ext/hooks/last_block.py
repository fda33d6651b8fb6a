"""Which parameters the influence is computed on: the head, the last block with it, or all of them.

Ren et al. (2020, Sec. 4.3) give Lorraine et al.'s method "the last ResNet block and the classification
layers". Blocks are named differently in every network, but all stand in a Sequential or a ModuleList.
"""

from torch import nn

from usb_ext.core.errors import SettingsError


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
