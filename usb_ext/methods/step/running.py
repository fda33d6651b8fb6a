"""What our step's rules and extensions find in a running algorithm, on the engine or in USB's own loop."""

from typing import TYPE_CHECKING, Protocol

import torch

from usb_ext.upstream.running import Running

if TYPE_CHECKING:
    from usb_ext.methods.step.base import BaseRule
    from usb_ext.methods.step.head_tap import HeadTap


class RunningStep(Running, Protocol):
    """A running `WeakStrong`; the groups are named as in `upstream/running.py`."""

    # built: by the step's `__init__`, before USB's
    rule: "BaseRule"
    extensions: tuple[str, ...]
    ulb_loss_mean: str

    # built: by `set_hooks`, for extensions that need it (`taps_head`); else None
    head_tap: "HeadTap | None"

    # of a base: by its rule's `prepare`, from the options of that name; USB's hooks read them
    T: float
    p_cutoff: float
    use_hard_label: bool  # Dash's hook changes it
    use_quantile: bool  # FreeMatch
    clip_thresh: bool  # FreeMatch
    lambda_e: float  # FreeMatch
    unsup_warm_up: float  # Pseudo-Label
    tsa_schedule: str  # UDA
    num_wu_iter: int  # Dash
    num_wu_eval_iter: int  # Dash
    warmup_stage: bool  # Dash; `training/warm_up.py` ends it

    # in a step of a base: by FreeMatch's hook, its running statistics
    time_p: torch.Tensor
    p_model: torch.Tensor
    label_hist: torch.Tensor
