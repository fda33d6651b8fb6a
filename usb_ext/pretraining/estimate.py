"""How long pre-training will take, measured on a few steps before it starts."""

import copy
import time

import torch

from usb_ext.as3l.pretrain.loop import Pretraining
from usb_ext.engine.random_state import get_random_state, set_random_state

STEPS = 2


def seconds_a_step(training: Pretraining) -> float:
    """Seconds of one step, on a copy: the training is left as it is, its random numbers too.

    Args:
        training: not yet started.

    Returns:
        The mean of `STEPS` steps after one to warm up.
    """
    saved = get_random_state()
    trial = copy.copy(training)
    trial.method = copy.deepcopy(training.method)
    group = training.optimizer.param_groups[0]
    trial.optimizer = torch.optim.SGD(trial.method.learned(), lr=group["lr"], momentum=0.9)
    float(trial.one_step(0))
    start = time.perf_counter()
    for step in range(STEPS):
        float(trial.one_step(step))
    seconds = (time.perf_counter() - start) / STEPS
    set_random_state(saved)
    return seconds


def in_words(seconds: float) -> str:
    """A duration as people say it: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for unit, length, decimals in (("days", 86400, 1), ("h", 3600, 1), ("min", 60, 0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.{decimals}f} {unit}"
    return f"{seconds:.0f} s"
