"""Dash's supervised warm-up, outside the training loop as in USB, and without its CUDA events.

It takes optimizer steps on labelled batches, then measures the evaluation loss that starts the
threshold (Xu et al., 2021, Sec. 4). As in USB the averages of the network are not moved meanwhile, so
that loss is the one of the averaged, that is the initial, weights; training starts them anew at the
warmed-up ones.
"""

from typing import Any

from usb_ext.core.errors import Interrupted
from usb_ext.engine.evaluation import to_device


def warm_up(algorithm: Any) -> None:
    """Run the warm-up of an algorithm that has one (`warmup_stage`); others are left alone.

    Raises:
        Interrupted: when asked to stop; nothing is saved, the warm-up is repeated from its start.
    """
    if not getattr(algorithm, "warmup_stage", False):
        return
    algorithm.epoch = 0
    algorithm.model.train()
    algorithm.hooks_dict["EMAHook"].before_run(algorithm)
    steps = _steps(algorithm)
    loader = algorithm.loader_dict["train_lb"]
    loader.batch_sampler.start_iter = 0
    for step, batch in zip(range(steps), _repeat(loader), strict=False):
        algorithm.it = step
        _step(algorithm, batch)
        _stop_if_asked(algorithm, step)
    algorithm.rho_init = algorithm.evaluate("eval")["eval/loss"]
    algorithm.rho = algorithm.rho_init
    algorithm.ema.register()
    algorithm.warmup_stage = False
    algorithm.it = 0


def _steps(algorithm: Any) -> int:
    """USB's count: whole epochs, at least one, and at most one step more than asked for."""
    per_epoch = algorithm.num_iter_per_epoch
    epochs = max(1, algorithm.num_wu_iter // per_epoch)
    return int(min(epochs * per_epoch, algorithm.num_wu_iter + 1))


def _repeat(loader: Any) -> Any:
    """Batches of a loader, from its start again when it is through."""
    while True:
        yield from loader


def _step(algorithm: Any, batch: dict[str, Any]) -> None:
    x_lb, y_lb = (to_device(batch[name], algorithm.device) for name in ("x_lb", "y_lb"))
    with algorithm.amp_cm():
        logits = algorithm.model(x_lb)["logits"]
        loss = algorithm.ce_loss(logits, y_lb, reduction="mean")
    algorithm.out_dict, algorithm.log_dict = {"loss": loss}, {}
    algorithm.call_hook("after_train_step", "ParamUpdateHook")


def _stop_if_asked(algorithm: Any, step: int) -> None:
    number = algorithm.args.parts.stop.requested
    if number:
        algorithm.it = 0
        raise Interrupted(
            f"stopped in the warm-up, after its step {step + 1}; nothing is saved yet, and --resume "
            "repeats the warm-up from its start",
            number,
        )
