"""What happens before the first step: the calibration of a loss weight, and Dash's supervised warm-up.

`ulb_loss_ratio: calibrate` finds the weight that makes the smooth loss as large as the hard one (Smooth
Pseudo-Labeling, Sec. C.1, Eq. 25): the unlabelled losses settle early in training, and lambda_u is the
ratio of the two levels, so that a comparison with weight 1 on the hard side compares shapes and not
magnitudes. Two trial runs from the run's own seed measure the levels; the run then starts from that
seed again, so it is bit for bit the run with the measured number.

Dash takes optimizer steps on labelled batches, then measures the evaluation loss that starts the
threshold (Xu et al., 2021, Sec. 4), outside the training loop as in USB and without its CUDA events. As
in USB the averages of the network are not moved meanwhile, so that loss is the one of the averaged,
that is the initial, weights; training starts them anew at the warmed-up ones.
"""

import gc
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol, cast

import torch

from usb_ext.core.errors import Interrupted, RunFailed, SettingsError
from usb_ext.core.files import RunFolder, write_json
from usb_ext.core.processes import gathered_rows
from usb_ext.engine.engine import Engine
from usb_ext.engine.evaluation import to_device
from usb_ext.engine.hooks.record import RecordHook
from usb_ext.engine.hooks.score import ScoreHook
from usb_ext.engine.hooks.update import FiniteLossHook
from usb_ext.settings import Settings
from usb_ext.settings.smooth import CALIBRATE
from usb_ext.upstream.running import Arguments, Batch, OnEngine, State, TrainingLoader
from usb_ext.upstream.shared import drop_hooks


class WarmedUp(OnEngine, Protocol):
    """Dash, USB's or on our step."""

    # built: from the settings
    num_wu_iter: int
    warmup_stage: bool

    # warmed up: the loss that the threshold starts from, and the threshold
    rho_init: float
    rho: float


Build = Callable[[Arguments], Engine]


def warm_up(algorithm: Engine) -> None:
    """Run the warm-up of an algorithm that has one (`warmup_stage`); others are left alone.

    Raises:
        Interrupted: when asked to stop; nothing is saved, the warm-up is repeated from its start.
    """
    if getattr(algorithm, "warmup_stage", False):
        _warm_up(cast(WarmedUp, algorithm))


def _warm_up(algorithm: WarmedUp) -> None:
    algorithm.epoch = 0
    algorithm.model.train()
    algorithm.hooks_dict["EMAHook"].before_run(algorithm)
    steps = _steps(algorithm)
    loader = algorithm.loader_dict["train_lb"]
    loader.batch_sampler.start_iter = 0
    for step, batch in zip(range(steps), _repeat(loader), strict=False):
        algorithm.it = step
        _step(algorithm, batch)
        algorithm.args.parts.stop.agree()
        _stop_if_asked(algorithm, step)
    algorithm.rho_init = algorithm.evaluate("eval")["eval/loss"]
    algorithm.rho = algorithm.rho_init
    algorithm.ema.register()
    algorithm.warmup_stage = False
    algorithm.it = 0


def _steps(algorithm: WarmedUp) -> int:
    """USB's count: whole epochs, at least one, and at most one step more than asked for."""
    per_epoch = algorithm.num_iter_per_epoch
    epochs = max(1, algorithm.num_wu_iter // per_epoch)
    return int(min(epochs * per_epoch, algorithm.num_wu_iter + 1))


def _repeat(loader: TrainingLoader) -> Iterator[Batch]:
    """Batches of a loader, from its start again when it is through."""
    while True:
        yield from loader


def _step(algorithm: OnEngine, batch: Batch) -> None:
    x_lb, y_lb = (to_device(batch[name], algorithm.device) for name in ("x_lb", "y_lb"))
    with algorithm.amp_cm():
        size = algorithm.args.batch_size
        logits = gathered_rows(algorithm.model(x_lb)["logits"], size)
        y_lb = gathered_rows(y_lb, size)
        loss = algorithm.ce_loss(logits, y_lb, reduction="mean")
    algorithm.out_dict, algorithm.log_dict = {"loss": loss}, {}
    algorithm.call_hook("after_train_step", "ParamUpdateHook")


def _stop_if_asked(algorithm: OnEngine, step: int) -> None:
    number = algorithm.args.parts.stop.requested
    if number:
        algorithm.it = 0
        raise Interrupted(
            f"stopped in the warm-up, after its step {step + 1}; nothing is saved yet, and --resume "
            "repeats the warm-up from its start",
            number,
        )


_log = logging.getLogger(__name__)
DEFAULT_ITER, DEFAULT_SHARE = 1000, 0.5


@dataclass(frozen=True)
class Calibration:
    """What the trial runs found; `calibration.json` and `result.json` hold it.

    Attributes:
        ulb_loss_ratio: lambda_u, to four digits.
        hard_loss: mean unlabelled loss with the hard threshold and weight 1.
        smooth_loss: the same with the smooth weight. ours: its trial has weight 1, too.
        mean_factor: mean of Phi over all unlabelled examples, in [0, 1].
        mean_mask: share that the hard threshold selects.
        iterations: steps of each trial.
        averaged: steps at the end that the means run over.
    """

    ulb_loss_ratio: float
    hard_loss: float
    smooth_loss: float
    mean_factor: float
    mean_mask: float
    iterations: int
    averaged: int


def calibrated(
    settings: Settings, args: Arguments, state: State | None, build: Build
) -> tuple[Settings, dict[str, float] | None]:
    """The settings with a number for `ulb_loss_ratio`, and how it was found.

    Args:
        settings: resolved; without `calibrate` they come back as they are.
        args: the run's namespace; gets the number too, as do the settings kept for checkpoints.
        state: a checkpoint that the run goes on from; its number is taken.
        build: makes an algorithm from a namespace, from the seed.

    Raises:
        SettingsError: if a trial selects nothing.
        RunFailed: if a loss is not finite.
        Interrupted: when asked to stop; nothing is written yet.
    """
    if settings.ulb_loss_ratio != CALIBRATE:
        return settings, None
    found = None
    if state is not None:
        ratio = float(state["usb_ext"]["settings"]["ulb_loss_ratio"])
        _log.info("ulb_loss_ratio: calibrate; the checkpoint has %g, taken without a trial", ratio)
    else:
        with args.parts.stop.on_signals():
            found = _calibrate(settings, args, build)
        ratio = found.ulb_loss_ratio
    open_again = dict.fromkeys(("calibration_iter", "calibration_share"))
    values = {**settings.model_dump(), **open_again, "ulb_loss_ratio": ratio}
    settings = Settings.model_validate(values)
    args.ulb_loss_ratio = ratio
    args.parts.settings = settings.model_dump(mode="json")
    return settings, None if found is None else asdict(found)


def keep_calibration(folder: RunFolder, found: dict[str, float] | None, *, fresh: bool) -> None:
    """Write what was found; a fresh run without it removes what an earlier attempt may have left."""
    if found is not None:
        write_json(folder.calibration, found)
    elif fresh:
        folder.calibration.unlink(missing_ok=True)


def _calibrate(settings: Settings, args: Arguments, build: Build) -> Calibration:
    steps = settings.calibration_iter or min(DEFAULT_ITER, settings.num_train_iter)
    averaged = max(1, round(steps * (settings.calibration_share or DEFAULT_SHARE)))
    _log.info("calibrating ulb_loss_ratio: two trials of %d steps", steps)
    means = []
    for smooth in (False, True):
        changed = {"smooth_weight": smooth, "ulb_loss_ratio": 1.0, "lambda_phi": 0.0}
        silent = {"use_wandb": False, "use_aim": False}
        means.append(
            _trial(build(Arguments(**{**vars(args), **changed, **silent})), steps, averaged)
        )
        gc.collect()  # an algorithm and its hooks know each other; free its memory now
    (hard, mask), (smooth_loss, factor) = means
    if hard == 0 or smooth_loss == 0:
        raise SettingsError(
            f"calibration_iter is {steps}, but in the last {averaged} of these steps no unlabelled example "
            "passed the threshold, so there is nothing to compare; raise calibration_iter or lower p_cutoff"
        )
    ratio = float(f"{hard / smooth_loss:.4g}")
    _log.info(
        "calibrated over the last %d of %d steps: mean factor %.4g (mask %.4g), unlabelled loss %.4g "
        "hard, %.4g smooth; their ratio is ulb_loss_ratio %g",
        *(averaged, steps, factor, mask, hard, smooth_loss, ratio),
    )
    return Calibration(ratio, hard, smooth_loss, factor, mask, steps, averaged)


def _trial(algorithm: Engine, steps: int, averaged: int) -> tuple[float, float]:
    """Mean unweighted unlabelled loss and mean weight of the last steps of a short run."""
    drop_hooks(algorithm, ScoreHook, RecordHook, FiniteLossHook)
    algorithm.start_hooks()
    warm_up(algorithm)
    algorithm.model.train()
    batches, stop, kept = algorithm.batches(), algorithm.args.parts.stop, []
    for step in range(steps):
        algorithm.one_step(batches)
        if step >= steps - averaged:
            log = algorithm.log_dict
            kept.append(
                torch.stack(
                    [torch.as_tensor(log[f"train/{key}"]) for key in ("unsup_loss", "util_ratio")]
                ).float()
            )
        if stop.requested:
            raise Interrupted(
                f"stopped in the calibration, after step {step + 1} of a trial; nothing is saved yet, "
                "and the next start repeats it",
                stop.requested,
            )
    loss, weight = torch.stack(kept).cpu().double().mean(dim=0).tolist()
    if not math.isfinite(loss):
        raise RunFailed("the unlabelled loss is not finite in the calibration; try a smaller --lr")
    return loss, weight
