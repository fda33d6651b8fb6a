"""One run, from settings to a run folder: what can be wrong is found before the disk is touched."""

import contextlib
import logging
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from usb_ext.core.errors import DataMissing, Interrupted, SettingsError, our_errors
from usb_ext.core.files import RunFolder, sealed, write_json, write_text
from usb_ext.core.folders import Hold, holding
from usb_ext.core.processes import by_first, first_then_others, world
from usb_ext.core.result import RunResult
from usb_ext.core.runtime import RunLog, seed_everything
from usb_ext.data.model_file import names_of_classes, write_interface
from usb_ext.data.prepared import Prepared
from usb_ext.data.sets import IN_MEMORY, prepare
from usb_ext.engine import checkpoint
from usb_ext.engine.engine import Engine
from usb_ext.engine.frozen import copy_network
from usb_ext.engine.hooks.record import Progress
from usb_ext.engine.network import builder, feature_center
from usb_ext.engine.parts import Parts, Stop
from usb_ext.engine.sync_norm import note_own_rows
from usb_ext.settings import LoadedSettings, Settings, config_sha256, differing_keys, resolved_yaml
from usb_ext.training import extension
from usb_ext.training.check import (
    batch_norm_warning,
    biggest_lever,
    check_run,
    unused_options,
)
from usb_ext.training.compose import (
    WATCHES,
    build_namespace,
    is_ours,
    run_class,
)
from usb_ext.training.first_lines import first_lines
from usb_ext.training.report import draw_report, instability_line, make_result
from usb_ext.training.run_data import find_data, keep_data, load_data
from usb_ext.training.start_from import Start, check_classes, find_start
from usb_ext.training.together import together
from usb_ext.training.warm_up import calibrated, keep_calibration, warm_up
from usb_ext.upstream.device import cuda_means
from usb_ext.upstream.optimizers import optimizers_fused
from usb_ext.upstream.quiet import UsbLogger, printed_to_log, tensorboard_log
from usb_ext.upstream.running import Arguments, State, served
from usb_ext.upstream.usb_imbalanced import check_label_counts

_log = logging.getLogger(__name__)


def find_checkpoint(settings: Settings, folder: RunFolder, *, named: bool = False) -> State | None:
    """The checkpoint that `--resume` means, or None to start afresh.

    The run's own newest one comes before `load_path`, unless `load_path` names another file of the
    same folder (the older checkpoint).

    Args:
        settings: of the run.
        folder: its folder.
        named: whether a person has just named `load_path`; USB's files name one that is not there yet.

    Raises:
        DataMissing: `load_path` was named, and there is no such file.
        SettingsError: a broken or foreign checkpoint, one of other settings, or another run's folder.
    """
    if not settings.resume:
        return None
    given = settings.load_path
    lost = given is not None and not Path(given).expanduser().is_file()
    if lost and named:
        raise DataMissing(
            f"load_path is {given!r}, and there is no such file; name the checkpoint, or leave it out to go "
            f"on from the newest one in {folder.path}"
        )
    path = _path(settings, folder)
    if path is None:
        also = f" (nor is there {given})" if lost else ""
        _log.warning("nothing to resume in %s%s; starting afresh", folder.path, also)
        return None
    newest = path in (folder.latest, folder.previous) and not _given_older(settings, folder)
    state = checkpoint.read_newest(folder) if newest else checkpoint.read(path, folder)
    now = extension.extended(settings, state)
    then = extension.settings_then(now, state)
    differing = differing_keys(then, now.model_dump(mode="json"))
    if differing:
        changes = ", ".join(f"{k} ({old} then, {new} now)" for k, (old, new) in differing.items())
        longer = extension.why_not(settings, state) if "num_train_iter" in differing else ""
        raise SettingsError(
            f"{path} is of a run with other settings: {changes}; give the same ones, or another "
            f"--save_name for a run of its own{longer}"
        )
    return state


def _path(settings: Settings, folder: RunFolder) -> Path | None:
    given = Path(settings.load_path) if settings.load_path else None
    candidates = [folder.latest, folder.previous]
    if given is not None:
        older = _given_older(settings, folder)
        candidates = [given, *candidates] if older else [*candidates, given]
    return next((path for path in candidates if path.is_file()), None)


def _given_older(settings: Settings, folder: RunFolder) -> bool:
    """Whether `load_path` is the run's own older checkpoint."""
    given = Path(settings.load_path).expanduser() if settings.load_path else None
    return given is not None and given.resolve() == folder.previous.resolve()


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
    with (
        together(loaded.settings) as here,
        our_errors(biggest_lever(loaded.settings)),
        RunLog(loaded.settings.progress == "off", stop.unseen, silent=not here.first) as log,
    ):
        return _train_logged(loaded, stop, log)


def _train_logged(loaded: LoadedSettings, stop: Stop, log: RunLog) -> RunResult:
    """Check everything that can be wrong, then touch the disk, then train."""
    given = loaded.settings
    checked = check_run(given)
    device, classes, settings = checked.device, checked.classes, checked.settings
    if settings.recipe:
        _log.info("%s", settings.recipe)
    for warning in (*loaded.warnings, *unused_options(loaded, classes)):
        _log.warning("%s", warning)
    if given.num_threads is not None:
        torch.set_num_threads(given.num_threads)
    with contextlib.ExitStack() as stack:
        hold = None
        if world().first:
            how = holding(settings.run_dir, resume=settings.resume, overwrite=settings.overwrite)
            hold = stack.enter_context(how)
        return _train_held(loaded, settings, classes, device, stop, log, hold)


def _train_held(
    loaded: LoadedSettings,
    settings: Settings,
    classes: tuple[type, ...],
    device: torch.device,
    stop: Stop,
    log: RunLog,
    hold: Hold | None,
) -> RunResult:
    """The run in its folder, which the first process holds; `hold` is None in the others."""
    place = RunFolder(settings.run_dir)
    named = "load_path" in loaded.ordered
    state = by_first(lambda: find_checkpoint(settings, place, named=named))
    settings = extension.extended(settings, state)
    found = find_data(settings, None if state is None else _path(settings, place))
    parts = parts_of(settings, device, place, stop, log)
    args = build_namespace(settings, parts)
    data = first_then_others(lambda: load_data(args, settings, found, place))
    with_data(args, parts, data)
    begin = _begin(settings, data, state)
    scope = contextlib.nullcontext() if is_ours(settings) else cuda_means(device)
    with scope:
        build = partial(built, settings, classes, start=begin.start)
        settings, calibration = calibrated(settings, args, state, build)
        algorithm = built(settings, classes, args, begin.start)
        if hold is not None:
            hold.open(found=state is not None)
            log.to_file(place.log)
            if warning := batch_norm_warning(algorithm.model, settings):
                _log.warning("%s", warning)
            _write_settings(place, settings, data)
            keep_data(place, settings, found, data)
            keep_calibration(place, calibration, fresh=state is None)
            if begin.longer:
                extension.reopen(place)
            if settings.use_tensorboard:
                algorithm.tb_log = tensorboard_log(place.path)
            for line in first_lines(algorithm, settings, data, begin.weights):
                _log.info("%s", line)
        with stop.on_signals():
            return _run(algorithm, settings, data, begin)


def with_data(args: Arguments, parts: Parts, data: Prepared) -> Prepared:
    """Hand the data sets to the run, if the algorithm works on their labels.

    Args:
        args: the run's namespace.
        parts: what the engine finds in it.
        data: of the run.

    Raises:
        SettingsError: labels that an imbalanced algorithm cannot use.
    """
    labels = np.asarray(served(data.datasets, "train_lb").targets, dtype=np.int64)
    unlabelled = data.datasets["train_ulb"]
    counts = np.bincount(labels, minlength=args.num_classes).tolist()
    check_label_counts(args, counts, 0 if unlabelled is None else len(unlabelled))
    parts.datasets, parts.data = data.datasets, data
    return data


def rehearse(loaded: LoadedSettings) -> list[str]:
    """Everything that `train` does before it touches the disk, where the data need not be read for it.

    Args:
        loaded: checked settings.

    Returns:
        Sentences about what has no effect.

    Raises:
        SettingsError, DataMissing: what `train` would raise.
    """
    checked = check_run(loaded.settings)
    warnings = [*loaded.warnings, *unused_options(loaded, checked.classes)]
    if checked.settings.dataset in IN_MEMORY:
        with our_errors(), RunLog(quiet=True) as log:
            place = RunFolder(checked.settings.run_dir)
            parts = parts_of(checked.settings, checked.device, place, Stop(), log)
            args = build_namespace(checked.settings, parts)
            with printed_to_log():
                data = prepare(args)
            with_data(args, parts, data)
            scope = (
                contextlib.nullcontext()
                if is_ours(checked.settings)
                else cuda_means(checked.device)
            )
            with scope:
                built(checked.settings, checked.classes, args)
    return warnings


def parts_of(
    settings: Settings, device: torch.device, folder: RunFolder, stop: Stop, log: RunLog
) -> Parts:
    """What the engine finds in `args.parts`, still without data.

    Args:
        settings: of the run, resolved.
        device: where it computes.
        folder: where the engine writes.
        stop: the wish to stop.
        log: of the run.
    """
    shown = settings.progress if world().first else "off"
    progress = Progress(shown, logging.getLogger("usb_ext.run"), log.screen)
    values = settings.model_dump(mode="json")
    return Parts(device, settings.amp, folder, progress, {}, values, stop, watches=WATCHES)


def _write_settings(folder: RunFolder, settings: Settings, data: Prepared) -> None:
    write_text(folder.config, resolved_yaml(settings))
    write_interface(folder, settings, data, copy_network(settings, folder.path))
    lists = {"labelled.json": data.labelled, "validation.json": data.validation}
    for name, positions in lists.items():
        if name == "labelled.json" or len(positions):
            write_text(folder.path / name, f"{np.asarray(positions).tolist()}\n")


def built(
    settings: Settings, classes: tuple[type, ...], args: Arguments, start: Start | None = None
) -> Engine:
    """The algorithm on its device, from the seed, or from another run's weights.

    Args:
        settings: of the run, resolved.
        classes: what it is composed of.
        args: the run's namespace, with data.
        start: the weights of another run.
    """
    seed_everything(settings.seed)
    build = builder(settings, feature_center(settings, args.parts.datasets))
    with printed_to_log(), optimizers_fused(settings.fused_optimizer):
        algorithm = run_class(classes)(
            args=args, net_builder=build, tb_log=None, logger=UsbLogger()
        )
    algorithm.settle()
    if start is not None:
        start.put(algorithm)
    return algorithm


class Begin(NamedTuple):
    """Where a run begins.

    Attributes:
        state: the checkpoint that it goes on from.
        start: else the weights of another run, where it starts from them.
        longer: whether it had ended in that checkpoint, and is made longer.
    """

    state: State | None = None
    start: Start | None = None
    longer: bool = False

    @property
    def weights(self) -> str:
        """Where weights come from that are not the settings' own; empty where they are."""
        if self.state is not None:
            return f"of this run after {self.state['it']:,} steps"
        return "" if self.start is None else f"from {self.start.told}"


def _begin(settings: Settings, data: Prepared, state: State | None) -> Begin:
    """Where a run begins, by what its settings name and its folder holds.

    Raises:
        SettingsError: it would start from a run of other classes.
    """
    check_classes(settings, names_of_classes(settings, data))
    start = find_start(settings) if state is None else None
    return Begin(state, start, extension.is_begun(settings, state))


def _run(algorithm: Engine, settings: Settings, data: Prepared, begin: Begin) -> RunResult:
    """Train, then write what is left of the run, also when it is asked to stop."""
    folder = algorithm.folder
    try:
        with printed_to_log():
            take_steps(algorithm, begin)
    except Interrupted:
        if (
            world().first and folder.latest.exists()
        ):  # not in Dash's warm-up, before the first checkpoint
            _finish(algorithm, settings, data, "interrupted")
        raise
    finally:
        algorithm.stop_workers()
    if world().first:
        draw_report(algorithm, folder, data.classes)  # before the record, which says all is there
    result = _finish(algorithm, settings, data, "completed")
    if result.top1_last is not None:
        _log.info("%s", instability_line(result.instability, data.classes))
    return result


def take_steps(algorithm: Engine, begin: Begin) -> None:
    """All steps that are left, after the warm-up of a run that begins.

    Args:
        algorithm: as `built`.
        begin: where it begins.

    Raises:
        RunFailed, Interrupted: as in `engine.loop`.
    """
    algorithm.start_hooks()
    if begin.state is not None:
        algorithm.load(begin.state)
        if begin.longer:
            extension.reschedule(algorithm)
        total = algorithm.num_train_iter
        _log.info("continuing after step %d of %d", algorithm.it, total)
    else:
        if begin.start is not None:  # the hooks have started the averages at the network
            begin.start.put(algorithm)
        warm_up(algorithm)
    note_own_rows(algorithm)
    algorithm.train()


def _finish(algorithm: Engine, settings: Settings, data: Prepared, status: str) -> RunResult:
    folder = algorithm.folder
    result = make_result(algorithm, settings, data, status, config_sha256(settings))
    if world().first:
        write_json(folder.result, sealed(result.to_json()))
    return result
