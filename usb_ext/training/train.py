"""The train stage: from settings to a run folder.

Where a run goes on from, decided before any work.
"""

import contextlib
import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from usb_ext.core.errors import Interrupted, SettingsError, our_errors
from usb_ext.core.files import RunFolder, check_run_folder, open_run_folder, write_json, write_text
from usb_ext.core.result import RunResult
from usb_ext.core.runtime import RunLog, check_precision, resolve_device, seed_everything
from usb_ext.data.prepared import Prepared
from usb_ext.data.sets import prepare
from usb_ext.engine import checkpoint
from usb_ext.engine.hooks.record import Progress
from usb_ext.engine.network import builder
from usb_ext.engine.parts import Parts, Stop
from usb_ext.settings import LoadedSettings, Settings, config_sha256, differing_keys, resolved_yaml
from usb_ext.training.compose import (
    WATCHES,
    algorithm_classes,
    build_namespace,
    is_ours,
    resolved,
    run_class,
)
from usb_ext.training.report import draw_report, instability_line, make_result
from usb_ext.training.warm_up import calibrated, keep_calibration, warm_up
from usb_ext.upstream.quiet import (
    UsbLogger,
    cuda_means,
    optimizers_fused,
    printed_to_log,
    tensorboard_log,
)

_log = logging.getLogger(__name__)


def find_checkpoint(settings: Settings, folder: RunFolder) -> dict[str, Any] | None:
    """The checkpoint that `--resume` means, or None to start afresh.

    The run's own newest one comes before `load_path`, unless `load_path` names another file of the
    same folder (the older checkpoint).

    Raises:
        SettingsError: a broken or foreign checkpoint, one of other settings, or another run's folder.
    """
    check_run_folder(folder.path, resume=settings.resume, overwrite=settings.overwrite)
    if not settings.resume:
        return None
    path = _path(settings, folder)
    if path is None:
        _log.warning("nothing to resume in %s; starting afresh", folder.path)
        return None
    state = checkpoint.read(path, folder)
    differing = differing_keys(state["usb_ext"]["settings"], settings.model_dump(mode="json"))
    if differing:
        changes = ", ".join(f"{k} ({old} then, {new} now)" for k, (old, new) in differing.items())
        raise SettingsError(
            f"{path} is of a run with other settings: {changes}; give the same ones, or another "
            "--save_name"
        )
    return state


def _path(settings: Settings, folder: RunFolder) -> Path | None:
    given = Path(settings.load_path).expanduser() if settings.load_path else None
    candidates = [folder.latest, folder.previous]
    if given is not None:
        own = given.resolve() == folder.previous.resolve()
        candidates = [given, *candidates] if own else [*candidates, given]
    return next((path for path in candidates if path.is_file()), None)


def train(loaded: LoadedSettings, stop: Stop | None = None) -> RunResult:
    """Train one run to its end.

    Args:
        loaded: checked settings.
        stop: the wish to stop; by default Ctrl-C and SIGTERM.

    Returns:
        The record that `result.json` holds.

    Raises:
        SettingsError, DataMissing: before any work and before anything is touched.
        RunFailed: a loss that is not finite.
        Interrupted: after a checkpoint, when asked to stop.
    """
    stop = stop or Stop()
    with our_errors(), RunLog(loaded.settings.progress == "off", stop.unseen) as log:
        for warning in loaded.warnings:
            log.logger.warning("%s", warning)
        return _train_logged(loaded.settings, stop, log)


def _train_logged(given: Settings, stop: Stop, log: RunLog) -> RunResult:
    """Check everything that can be wrong, then touch the disk, then train."""
    device = resolve_device(given.device)
    check_precision(given.amp, device)
    if given.num_threads is not None:
        torch.set_num_threads(given.num_threads)
    classes = algorithm_classes(given)
    settings = resolved(given, classes)
    place = RunFolder(settings.run_dir)
    state = find_checkpoint(settings, place)
    parts = _parts(settings, device, place, stop, log)
    args = build_namespace(settings, parts)
    with printed_to_log():
        data = prepare(args)
    parts.datasets, parts.data = data.datasets, data
    scope = contextlib.nullcontext() if is_ours(settings) else cuda_means(device)
    with scope:
        build = partial(_build, settings, classes)
        settings, calibration = calibrated(settings, args, state, build)
        algorithm = _build(settings, classes, args)
        open_run_folder(place.path, resume=settings.resume, overwrite=settings.overwrite)
        log.to_file(place.log)
        _write_settings(place, settings, data)
        keep_calibration(place, calibration, fresh=state is None)
        if settings.use_tensorboard:
            algorithm.tb_log = tensorboard_log(place.path)
        with stop.on_signals():
            return _run(algorithm, settings, data, state)


def _parts(
    settings: Settings, device: torch.device, folder: RunFolder, stop: Stop, log: RunLog
) -> Parts:
    progress = Progress(settings.progress, logging.getLogger("usb_ext.run"), log.screen)
    values = settings.model_dump(mode="json")
    return Parts(device, settings.amp, folder, progress, {}, values, stop, watches=WATCHES)


def _write_settings(folder: RunFolder, settings: Settings, data: Prepared) -> None:
    write_text(folder.config, resolved_yaml(settings))
    lists = {"labelled.json": data.labelled, "validation.json": data.validation}
    for name, positions in lists.items():
        if name == "labelled.json" or len(positions):
            write_text(folder.path / name, f"{np.asarray(positions).tolist()}\n")


def _build(settings: Settings, classes: tuple[type, ...], args: Any) -> Any:
    """The algorithm on its device, from the seed."""
    seed_everything(settings.seed)
    with printed_to_log(), optimizers_fused(settings.fused_optimizer):
        algorithm = run_class(classes)(
            args=args, net_builder=builder(settings), tb_log=None, logger=UsbLogger()
        )
    algorithm.settle()
    return algorithm


def _run(algorithm: Any, settings: Settings, data: Prepared, state: Any) -> RunResult:
    """Train, then write what is left of the run, also when it is asked to stop."""
    folder: RunFolder = algorithm.folder
    if state is None:
        folder.metrics.unlink(missing_ok=True)
    try:
        with printed_to_log():
            _train(algorithm, state)
    except Interrupted:
        if folder.latest.exists():  # not in Dash's warm-up, before the first checkpoint
            _finish(algorithm, settings, data, "interrupted")
        raise
    result = _finish(algorithm, settings, data, "completed")
    if result.top1_last is not None:
        _log.info("%s", instability_line(result.instability, data.classes))
    draw_report(algorithm, folder, data.classes)
    return result


def _train(algorithm: Any, state: Any) -> None:
    algorithm.start_hooks()
    if state is not None:
        algorithm.load(state)
        total = algorithm.num_train_iter
        _log.info("continuing after step %d of %d", algorithm.it, total)
    else:
        warm_up(algorithm)
    algorithm.train()


def _finish(algorithm: Any, settings: Settings, data: Prepared, status: str) -> RunResult:
    folder: RunFolder = algorithm.folder
    result = make_result(algorithm, settings, data, status, config_sha256(settings))
    write_json(folder.result, result.to_json())
    return result
