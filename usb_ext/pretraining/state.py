"""All state of a pre-training, so that a stopped one goes on bit by bit as if it had not been stopped."""

from typing import Any

from usb_ext.engine import checkpoint
from usb_ext.engine.random_state import get_random_state, set_random_state


def collect(training: Any) -> dict[str, Any]:
    """The state of a `loop.Pretraining`, in the envelope of the engine's checkpoints.

    Views and order depend on the step alone and need none; the global generators are kept for networks
    with dropout.
    """
    metrics = training.folder.metrics
    return {
        "method": training.method.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "step": training.step,
        "loss_sum": training.loss_sum,
        "usb_ext": {
            "format": checkpoint.FORMAT,
            "settings": training.settings,
            "random": get_random_state(),
            "seconds": training.seconds,
            "bytes": metrics.stat().st_size if metrics.exists() else 0,
        },
    }


def restore(training: Any, state: dict[str, Any]) -> None:
    """Put a `loop.Pretraining` where `collect` found it; metrics written since are cut off."""
    own, metrics = state["usb_ext"], training.folder.metrics
    training.method.load_state_dict(state["method"])
    training.optimizer.load_state_dict(state["optimizer"])
    training.step, training.seconds_before = state["step"], own["seconds"]
    training.loss_sum.copy_(state["loss_sum"])
    if metrics.exists():
        with metrics.open("rb+") as file:
            file.truncate(min(own["bytes"], metrics.stat().st_size))
    set_random_state(own["random"])
