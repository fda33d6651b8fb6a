"""What training has changed in an algorithm or a hook, as values that `weights_only` loading accepts.

USB's checkpoints hold what each algorithm remembered to put there; hooks, queues and counters are
missing. Here the plain attributes (numbers, text, tensors, containers of them) of an object are
remembered when it is built, and those that differ later are its state. Attributes of the settings never
differ, so a restored run keeps the settings it was started with.

Values that are state: numbers, text, tensors and containers of them, copied and compared.

The state of every global random generator, as tensors and numbers only.
"""

import copy
import random
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from usb_ext.upstream.running import State

SCALARS = (bool, int, float, str, type(None))
NUMERIC = (
    "biufc"  # kinds of NumPy's dtypes that torch has too: bool, whole, real and complex numbers
)
EVERY_MODULE = frozenset(vars(torch.nn.Module()))


class NotPlain(Exception):
    """A value that is no state: a network, a loader, a function."""


def plain(value: object) -> Any:
    """A copy of a value made of numbers, text, tensors, lists, tuples and dicts.

    Objects of USB's own classes (a feature queue, say) become the dict of their plain attributes. It gives
    `Any`: what kind of value it is only the one who reads it knows.

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


def _plain_container(value: object) -> Any:
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


def _is_record(value: object) -> bool:
    """An object of USB's with fields: a queue, or a loss, which is a module without parameters."""
    own = type(value).__module__.startswith("semilearn.")
    network = isinstance(value, torch.nn.Module) and bool(value.state_dict())
    return own and not network and hasattr(value, "__dict__")


def plain_fields(owner: object, skip: frozenset[str] = frozenset()) -> State:
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


def same(left: object, right: object) -> bool:
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
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    """The bits of a tensor of any shape, flat: NaN equals NaN, and 0.0 is not -0.0."""
    return tensor.contiguous().flatten().view(torch.uint8)


ALGORITHM_SKIP = frozenset(
    {
        *("args", "model", "ema_model", "optimizer", "scheduler", "loss_scaler", "ema", "tb_log"),
        *("dataset_dict", "loader_dict", "_hooks", "hooks_dict", "baseline", "hook_baselines"),
        *("log_dict", "out_dict", "restored", "best_is_new", "rule", "head_tap"),
    }
)
HOST = torch.device("cpu")


def changed_fields(owner: object, baseline: State, skip: frozenset[str] = frozenset()) -> State:
    """Plain attributes that differ from `baseline`, or were not there yet."""
    now = plain_fields(owner, skip)
    return {k: v for k, v in now.items() if k not in baseline or not same(v, baseline[k])}


def restore_fields(owner: object, fields: State, device: torch.device) -> None:
    """Set attributes from what `changed_fields` gave.

    Args:
        owner: the object.
        fields: values by attribute name.
        device: the run's device. Tensors that were on a device go there; others go where the
            attribute's tensor is, or if there is none to the device too, and in containers stay.
    """
    for name, value in fields.items():
        setattr(owner, name, _revived(getattr(owner, name, None), value, device, device))


def _revived(present: Any, value: Any, device: torch.device, home: torch.device = HOST) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(present.device if isinstance(present, torch.Tensor) else home)
    if isinstance(value, dict):
        return _revived_mapping(present, value, device)
    if isinstance(value, list):
        items = _revived_items(present, value, device)
        return deque(items, present.maxlen) if isinstance(present, deque) else items
    if isinstance(value, tuple):
        return tuple(_revived_items(present, value, device))
    return value


def _revived_items(present: Any, values: Any, device: torch.device) -> list[Any]:
    """Items of a container; objects are restored in place, so each meets the one in its place."""
    known = isinstance(present, list | tuple | deque) and len(present) == len(values)
    partners = present if known else [None] * len(values)
    return [_revived(p, v, device) for p, v in zip(partners, values, strict=True)]


def _revived_mapping(present: Any, value: State, device: torch.device) -> Any:
    if "__on_device__" in value:
        return value["__on_device__"].to(device)
    if "__numpy__" in value:
        return value["__numpy__"].numpy()
    if "__state__" in value:
        present.load_state_dict(_revived({}, value["__state__"], device))
        return present
    if "__fields__" in value:
        restore_fields(present, value["__fields__"], device)
        return present
    kept = present if isinstance(present, dict) else {}
    made = copy.copy(kept)  # a defaultdict stays one
    made.clear()
    made.update({k: _revived(kept.get(k), v, device) for k, v in value.items()})
    return made


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Inside, the global generators may be seeded and drawn from; afterwards they go on where they were."""
    before = get_random_state()
    try:
        yield
    finally:
        set_random_state(before)


def get_random_state() -> State:
    """States of Python's, NumPy's and torch's generators (all CUDA devices)."""
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": (version, list(numbers), gauss),
        "numpy": (
            str(name),
            torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: State) -> None:
    """Put back what `get_random_state` gave; CUDA states only as far as devices are there."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
