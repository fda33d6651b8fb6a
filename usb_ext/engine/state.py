"""What training has changed in an algorithm or a hook, as values that `weights_only` loading accepts.

USB's checkpoints hold what each algorithm remembered to put there; hooks, queues and counters are
missing. Here the plain attributes (numbers, text, tensors, containers of them) of an object are
remembered when it is built, and those that differ later are its state. Attributes of the settings never
differ, so a restored run keeps the settings it was started with.
"""

import copy
from collections import deque
from typing import Any

import torch

from usb_ext.engine.plain import plain_fields, same

ALGORITHM_SKIP = frozenset(
    {
        *("args", "model", "ema_model", "optimizer", "scheduler", "loss_scaler", "ema", "tb_log"),
        *("dataset_dict", "loader_dict", "_hooks", "hooks_dict", "baseline", "hook_baselines"),
        *("log_dict", "out_dict", "restored", "best_is_new", "rule", "head_tap"),
    }
)
HOST = torch.device("cpu")


def changed_fields(
    owner: Any, baseline: dict[str, Any], skip: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Plain attributes that differ from `baseline`, or were not there yet."""
    now = plain_fields(owner, skip)
    return {k: v for k, v in now.items() if k not in baseline or not same(v, baseline[k])}


def restore_fields(owner: Any, fields: dict[str, Any], device: torch.device) -> None:
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


def _revived_mapping(present: Any, value: dict[str, Any], device: torch.device) -> Any:
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
