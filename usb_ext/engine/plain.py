"""Values that are state: numbers, text, tensors and containers of them, copied and compared."""

from collections import OrderedDict, deque
from typing import Any

import numpy as np
import torch

SCALARS = (bool, int, float, str, type(None))
NUMERIC = (
    "biufc"  # kinds of NumPy's dtypes that torch has too: bool, whole, real and complex numbers
)
EVERY_MODULE = frozenset(vars(torch.nn.Module()))


class NotPlain(Exception):
    """A value that is no state: a network, a loader, a function."""


def plain(value: Any) -> Any:
    """A copy of a value made of numbers, text, tensors, lists, tuples and dicts.

    Objects of USB's own classes (a feature queue, say) become the dict of their plain attributes.

    Raises:
        NotPlain: for anything else.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, SCALARS):
        return value
    if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
        copied = value.detach().to("cpu", copy=True)
        return copied if value.device.type == "cpu" else {"__on_device__": copied}
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMERIC:
        return {"__numpy__": torch.from_numpy(value.copy())}
    return _plain_container(value)


def _plain_container(value: Any) -> Any:
    if isinstance(value, list | deque):
        return [plain(v) for v in value]
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, dict | OrderedDict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, torch.optim.Optimizer):
        return {"__state__": plain(value.state_dict())}
    if _is_record(value):
        return {"__fields__": plain_fields(value, EVERY_MODULE)}
    raise NotPlain(type(value).__name__)


def _is_record(value: Any) -> bool:
    """An object of USB's with fields: a queue, or a loss, which is a module without parameters."""
    own = type(value).__module__.startswith("semilearn.")
    network = isinstance(value, torch.nn.Module) and bool(value.state_dict())
    return own and not network and hasattr(value, "__dict__")


def plain_fields(owner: Any, skip: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Every plain attribute of an object by name."""
    fields = {}
    for name, value in vars(owner).items():
        if name in skip:
            continue
        try:
            fields[name] = plain(value)
        except NotPlain:
            continue
    return fields


def same(left: Any, right: Any) -> bool:
    """Whether two plain values are equal, tensors bit by bit."""
    if isinstance(left, torch.Tensor) or isinstance(right, torch.Tensor):
        return (
            isinstance(left, torch.Tensor)
            and isinstance(right, torch.Tensor)
            and left.dtype == right.dtype
            and left.shape == right.shape
            and torch.equal(_bytes(left), _bytes(right))
        )
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    """The bits of a tensor of any shape, flat: NaN equals NaN, and 0.0 is not -0.0."""
    return tensor.contiguous().flatten().view(torch.uint8)
