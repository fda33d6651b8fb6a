"""A run that has ended made longer: `train --resume --num_train_iter 300` on one of 200 steps.

Batches are functions of (seed, step), so steps go on where they stopped. Whatever is a function of the run's
length, the learning rate's cosine above all, is from there on that of the new length, and so another one than
in a run that had it from the start: `extended_at` in `config.yaml`, checkpoints and `result.json` tells the
two apart. The learning rate is set where the longer run takes over, not a step later; so the weights do not
hang on where an extension was interrupted.
"""

import logging
from typing import Any

import torch

from usb_ext.core.errors import reason
from usb_ext.core.files import RunFolder, json_of, sealed, write_json
from usb_ext.engine.engine import Engine
from usb_ext.settings import Settings
from usb_ext.upstream.running import State

_log = logging.getLogger(__name__)


def extended(settings: Settings, state: State | None) -> Settings:
    """The settings with the steps at which the run was made longer, which its checkpoint knows.

    Args:
        settings: of the run, as asked for.
        state: the checkpoint that it goes on from; None for a run that begins.
    """
    ends: tuple[int, ...] = ()
    if state is not None:
        then = state["usb_ext"]["settings"]
        ends = tuple(then.get("extended_at") or ())
        if state["it"] == then["num_train_iter"] < settings.num_train_iter:
            ends = (*ends, state["it"])
    return settings.model_copy(update={"extended_at": ends or None})


def is_begun(settings: Settings, state: State | None) -> bool:
    """Whether the run is made longer in this sitting.

    Args:
        settings: what `extended` gave.
        state: the checkpoint that the run goes on from.
    """
    return state is not None and len(settings.extended_at or ()) > len(_before(state))


def settings_then(settings: Settings, state: State) -> dict[str, Any]:
    """The settings in a checkpoint, as they are to be compared: its length gives way to a new one.

    Args:
        settings: what `extended` gave.
        state: the checkpoint.
    """
    then: dict[str, Any] = dict(state["usb_ext"]["settings"])
    if is_begun(settings, state):
        then["num_train_iter"] = settings.num_train_iter
        then["extended_at"] = list(settings.extended_at or ())
    return then


def why_not(settings: Settings, state: State) -> str:
    """What is to be said of another length that is no extension.

    Args:
        settings: of the run, as asked for.
        state: the checkpoint.
    """
    length = state["usb_ext"]["settings"]["num_train_iter"]
    if settings.num_train_iter < length:
        return " (a run does not get shorter than it was begun)"
    return (
        f" (only a run that has ended is made longer, and this one stands at step {state['it']}: let it end "
        f"with --num_train_iter {length} first)"
    )


def _before(state: State) -> list[int]:
    return list(state["usb_ext"]["settings"].get("extended_at") or ())


def reopen(folder: RunFolder) -> None:
    """Say in a run's record that it has not ended, before its first checkpoint is of a later step.

    Args:
        folder: the run's.
    """
    try:
        record = json_of(folder.result)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        _log.warning("%s is damaged (%s); it is written anew", folder.result, reason(error))
        return
    if isinstance(record, dict):
        write_json(folder.result, sealed({**record, "status": "interrupted"}))


def reschedule(algorithm: Engine) -> None:
    """Give a restored run the learning rate that its new length has at this step, and say so.

    Args:
        algorithm: restored from the last checkpoint of its earlier length.
    """
    scheduler, groups = algorithm.scheduler, algorithm.optimizer.param_groups
    was = groups[-1]["lr"]
    if isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR):
        factors = [rule(scheduler.last_epoch) for rule in scheduler.lr_lambdas]
        rates = [base * f for base, f in zip(scheduler.base_lrs, factors, strict=True)]
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        scheduler._last_lr = rates
    _log.info(
        "extended from %d to %d steps: the learning rate goes on as a run of %d steps has it from here, "
        "at %.4g (it ended at %.4g); extended_at records it",
        *(algorithm.it, algorithm.num_train_iter, algorithm.num_train_iter),
        *(groups[-1]["lr"], was),
    )
