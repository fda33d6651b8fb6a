"""Checkpoints: all state of a run in one file that is whole or not there.

The file keeps USB's keys (`model`, `ema_model`, `optimizer`, `scheduler`, `loss_scaler`, `it`, `epoch`,
`best_it`, `best_eval_acc`), so USB's own tools read its weights, and adds `usb_ext`: every hook's state,
what training changed in the algorithm, the random generators and the settings. It loads with
`weights_only=True`.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from usb_ext.core.errors import SettingsError, reason
from usb_ext.core.files import RunFolder, replace_file
from usb_ext.engine.state import (
    ALGORITHM_SKIP,
    changed_fields,
    get_random_state,
    restore_fields,
    set_random_state,
)

FORMAT = 1
HOOK_SKIP = frozenset({"name", "priority"})


def collect(algorithm: Any, settings: dict[str, Any]) -> dict[str, Any]:
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


def _hook_state(algorithm: Any, name: str, hook: Any) -> dict[str, Any]:
    if hasattr(hook, "state_dict"):
        state: dict[str, Any] = hook.state_dict()
        return state
    return changed_fields(hook, algorithm.hook_baselines.get(name, {}), HOOK_SKIP)


def write(folder: RunFolder, state: dict[str, Any]) -> None:
    """Make `state` the newest checkpoint; the one before stays as `previous_model.pth`."""
    if folder.latest.exists():
        spare = folder.path / ".previous.part"
        spare.unlink(missing_ok=True)
        _second_name(folder.latest, spare)
        os.replace(spare, folder.previous)
    replace_file(folder.latest, lambda path: torch.save(state, path))


def _second_name(path: Path, name: Path) -> None:
    """The same content under another name; a copy where the file system has no hard links."""
    try:
        os.link(path, name)
    except OSError:
        shutil.copyfile(path, name)


def read(path: Path, folder: RunFolder | None = None) -> dict[str, Any]:
    """A checkpoint from a file.

    Args:
        path: the file.
        folder: the run's folder, to name the older checkpoint if this one is broken.

    Raises:
        SettingsError: if the file is truncated, or was not written by usb_ext.
    """
    hint = _older(path, folder)
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise SettingsError(
            f"{path} is not a whole checkpoint ({reason(error)}); {hint}"
        ) from error
    own = state.get("usb_ext") if isinstance(state, dict) else None
    if not isinstance(own, dict) or own.get("format") != FORMAT:
        raise SettingsError(
            f"{path} was not written by usb_ext, so a run cannot go on from it; {hint}"
        )
    return state


def _older(path: Path, folder: RunFolder | None) -> str:
    kept = "nothing was overwritten"
    if folder is not None and folder.previous.exists() and path != folder.previous:
        return f"{kept}; the one before is whole: --resume --load_path {folder.previous}"
    return f"{kept}; start afresh with --overwrite or another --save_name"


MISFITS = (KeyError, RuntimeError, ValueError, TypeError, AttributeError, IndexError)
"""What torch and the owners of state raise on a state that is not theirs."""


def restore(algorithm: Any, state: dict[str, Any]) -> None:
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


def _restore(algorithm: Any, state: dict[str, Any]) -> None:
    own = state["usb_ext"]
    algorithm.model.load_state_dict(state["model"])
    algorithm.ema_model.load_state_dict(state["ema_model"])
    algorithm.optimizer.load_state_dict(state["optimizer"])
    if algorithm.scheduler is not None:
        algorithm.scheduler.load_state_dict(state["scheduler"])
    algorithm.loss_scaler.load_state_dict(state["loss_scaler"])
    for name, hook_state in own["hooks"].items():
        _restore_hook(algorithm.hooks_dict[name], hook_state, algorithm.device)
    restore_fields(algorithm, own["algorithm"], algorithm.device)
    algorithm.it, algorithm.restored = state["it"], True
    set_random_state(own["random"])


def _restore_hook(hook: Any, state: dict[str, Any], device: torch.device) -> None:
    if hasattr(hook, "load_state_dict"):
        hook.load_state_dict(state)
    else:
        restore_fields(hook, state, device)
