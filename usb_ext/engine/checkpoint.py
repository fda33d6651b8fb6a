"""Checkpoints: all state of a run in one file that is whole or not there.

The file keeps USB's keys (`model`, `ema_model`, `optimizer`, `scheduler`, `loss_scaler`, `it`, `epoch`,
`best_it`, `best_eval_acc`), so USB's own tools read its weights, and adds `usb_ext`: every hook's state,
what training changed in the algorithm, the random generators and the settings. It loads with
`weights_only=True`.
"""

import logging
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from usb_ext.core.errors import RunFailed, SettingsError, reason
from usb_ext.core.files import RunFolder, replace_file
from usb_ext.core.folders import drop_replaced
from usb_ext.engine.seal import damage, is_sealed, is_whole, same_seal, seal
from usb_ext.engine.state import (
    ALGORITHM_SKIP,
    changed_fields,
    get_random_state,
    restore_fields,
    set_random_state,
)
from usb_ext.upstream.running import OnEngine, State
from usb_ext.upstream.usb import Hook

_log = logging.getLogger(__name__)
FORMAT = 1
HOOK_SKIP = frozenset({"name", "priority"})


def collect(algorithm: OnEngine, settings: State) -> State:
    """All state of a running algorithm; `it` counts finished steps."""
    scheduler = algorithm.scheduler
    return {
        "model": algorithm.model.state_dict(),
        "ema_model": algorithm.ema_model.state_dict(),
        "optimizer": algorithm.optimizer.state_dict(),
        "scheduler": None if scheduler is None else scheduler.state_dict(),
        "loss_scaler": algorithm.loss_scaler.state_dict(),
        "it": algorithm.it,
        "epoch": algorithm.it // algorithm.num_iter_per_epoch,
        "best_it": algorithm.best_it,
        "best_eval_acc": float(algorithm.best_eval_acc),
        "usb_ext": {
            "format": FORMAT,
            "settings": settings,
            "hooks": {n: _hook_state(algorithm, n, h) for n, h in algorithm.hooks_dict.items()},
            "algorithm": changed_fields(algorithm, algorithm.baseline, ALGORITHM_SKIP),
            "random": get_random_state(),
        },
    }


def _hook_state(algorithm: OnEngine, name: str, hook: Hook) -> State:
    if hasattr(hook, "state_dict"):
        state: State = hook.state_dict()
        return state
    return changed_fields(hook, algorithm.hook_baselines.get(name, {}), HOOK_SKIP)


def check_finite(
    networks: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    folder: RunFolder,
    step: int,
) -> None:
    """Refuse a state that is not worth keeping: a loss may be finite when the step it led to was not.

    One fused reduction over all tensors, and one transfer. Parameters and the optimizer's state must be
    finite, buffers (which may hold a mask of -inf) must not be NaN.

    Args:
        networks: by name: the network, its averages.
        optimizer: of the network.
        folder: the run's, to name the checkpoint that is kept.
        step: finished steps.

    Raises:
        RunFailed: naming the tensors and the checkpoint that is kept.
    """
    found: list[tuple[str, torch.Tensor, bool]] = []
    for name, network in networks.items():
        found += [(f"{name}.{key}", value, False) for key, value in network.named_parameters()]
        found += [(f"{name}.{key}", value, True) for key, value in network.named_buffers()]
    for value in (v for state in optimizer.state.values() for v in state.values()):
        found += [("the optimizer's state", value, False)] * isinstance(value, torch.Tensor)
    found = [(name, v, mask) for name, v, mask in found if v.is_floating_point() and v.numel()]
    if bad := _not_finite(found):
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise RunFailed(
            f"after step {step} the weights are not finite ({bad[0]}{more}), so they are not saved; "
            f"{folder.kept}"
        )


def _not_finite(tensors: Sequence[tuple[str, torch.Tensor, bool]]) -> list[str]:
    """Names of the tensors with a NaN, or, but for masks, an infinity."""
    norms = torch._foreach_norm([value.detach() for _, value, _ in tensors], math.inf)
    largest = torch.stack([n.float().to(norms[0].device) for n in norms]).tolist()
    return [
        name
        for (name, _, mask), norm in zip(tensors, largest, strict=True)
        if not (math.isfinite(norm) or (mask and not math.isnan(norm)))
    ]


def write(folder: RunFolder, state: State, *, best: bool = False) -> None:
    """Make `state` the newest checkpoint; the one before stays as `previous_model.pth`.

    The new file is on the disk before any name changes. What a new run has replaced goes when the run has
    a checkpoint.

    Args:
        folder: the run's.
        state: from `collect`.
        best: it is the best one so far, too.
    """
    sealed = {**state, "usb_ext": {**state["usb_ext"], "sealed": True}}

    def save(path: Path) -> None:
        torch.save(sealed, path)
        seal(path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        if folder.latest.exists():
            name_also(folder.latest, folder.previous)

    replace_file(folder.latest, save)
    if best:
        name_also(folder.latest, folder.best)
    drop_replaced(folder.path)


def name_also(path: Path, name: Path) -> None:
    """Give a file's content a second name in one step; a copy where there are no hard links."""
    spare = name.with_name(f".{name.name}.part")
    spare.unlink(missing_ok=True)
    try:
        os.link(path, spare)
    except OSError:
        shutil.copyfile(path, spare)
    os.replace(spare, name)
    spare.unlink(missing_ok=True)  # two names of one file: renaming does nothing


class Damaged(SettingsError):
    """A file that is not a whole checkpoint."""


def read_newest(folder: RunFolder) -> State:
    """The run's newest checkpoint; the one before it where the newest is damaged, which is said.

    Where the newest is the best so far, `model_best.pth` names it, also if the run was killed before that.
    A damaged file is kept as `damaged_model.pth`, so that it never takes the place of a good one.

    Raises:
        SettingsError: neither is a whole checkpoint of ours.
    """
    if not folder.latest.exists():
        return read(folder.previous, folder)
    try:
        state = read(folder.latest)
        _name_best(folder, state)
        return state
    except Damaged as error:
        try:
            state = read(folder.previous)
        except SettingsError:
            raise error from None
        os.replace(folder.latest, folder.path / "damaged_model.pth")
        _log.warning(
            "%s is damaged (kept as damaged_model.pth); going on from the one before, %s",
            *(folder.latest, folder.previous),
        )
        return state


def _name_best(folder: RunFolder, state: State) -> None:
    is_best = state.get("best_eval_acc", 0) > 0 and state["it"] == state["best_it"] + 1
    if is_best and not (folder.best.exists() and same_seal(folder.best, folder.latest)):
        name_also(folder.latest, folder.best)


def read(path: Path, folder: RunFolder | None = None, *, remedy: str | None = None) -> State:
    """A checkpoint from a file.

    Args:
        path: the file.
        folder: the run's folder, to name the older checkpoint if this one is broken.
        remedy: what to do then, in the place of how to resume.

    Raises:
        Damaged: the file is truncated, or its bytes are not those that were written.
        SettingsError: it was not written by usb_ext.
    """
    hint = remedy or _older(path, folder)
    try:
        state: State = _load(path)
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise Damaged(f"{path} is not a whole checkpoint ({reason(error)}); {hint}") from error
    own = state.get("usb_ext") if isinstance(state, dict) else None
    if not isinstance(own, dict) or own.get("format") != FORMAT:
        raise SettingsError(
            f"{path} was not written by usb_ext, so a run cannot go on from it; {hint}"
        )
    return dict(state)


def _load(path: Path) -> State:
    """The content of a file whose bytes are those that were written."""
    if not path.is_file():
        raise ValueError("it is no file" if path.exists() else "it is not there")
    if found := damage(path):
        raise ValueError(found)
    state: State = torch.load(path, map_location="cpu", weights_only=True)
    own = state.get("usb_ext") if isinstance(state, dict) else None
    if isinstance(own, dict) and own.get("sealed") and not is_sealed(path):
        raise ValueError("the digest at its end is damaged")
    return state


def _older(path: Path, folder: RunFolder | None) -> str:
    kept = "nothing was overwritten"
    if folder is not None and path != folder.previous and is_whole(folder.previous):
        return f"{kept}; the one before is whole: --resume --load_path {folder.previous}"
    return f"{kept}; start afresh with --overwrite or another --save_name"


MISFITS = (KeyError, RuntimeError, ValueError, TypeError, AttributeError, IndexError)
"""What torch and the owners of state raise on a state that is not theirs."""


def restore(algorithm: OnEngine, state: State) -> None:
    """Put an algorithm where `collect` found it.

    Raises:
        SettingsError: a state of another network or method, or one that lacks something.
    """
    try:
        _restore(algorithm, state)
    except MISFITS as error:
        lacks = f"it lacks {error}" if isinstance(error, KeyError) else reason(error)
        raise SettingsError(
            f"the checkpoint in {algorithm.folder.path} does not fit this run ({lacks}): the network or the "
            "code of the method has changed since it was written; bring that back, or start afresh with "
            "another --save_name"
        ) from error


def _restore(algorithm: OnEngine, state: State) -> None:
    own = state["usb_ext"]
    algorithm.model.load_state_dict(state["model"])
    algorithm.ema_model.load_state_dict(state["ema_model"])
    algorithm.optimizer.load_state_dict(state["optimizer"])
    if algorithm.scheduler is not None:
        algorithm.scheduler.load_state_dict(state["scheduler"])
    algorithm.loss_scaler.load_state_dict(state["loss_scaler"])
    looked_on = {n for n, s in own["hooks"].items() if isinstance(s, dict) and s.get("looks_on")}
    for name, hook_state in own["hooks"].items():
        if name in looked_on - algorithm.hooks_dict.keys():
            continue  # switched off since; the run is the same without it
        _restore_hook(algorithm.hooks_dict[name], hook_state, algorithm.device)
    restore_fields(algorithm, own["algorithm"], algorithm.device)
    algorithm.it, algorithm.restored = state["it"], True
    set_random_state(own["random"])


def _restore_hook(hook: Hook, state: State, device: torch.device) -> None:
    if hasattr(hook, "load_state_dict"):
        hook.load_state_dict(state)
    else:
        restore_fields(hook, state, device)
