"""The pretrain stage: features without labels (AS3L, Sec. 5.1.2)."""

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from usb_ext.as3l.inputs.feature_images import refuse_gaps
from usb_ext.as3l.pretrain.build import build
from usb_ext.as3l.pretrain.loop import Pretraining, in_words, restore, seconds_a_step
from usb_ext.as3l.pretrain.made import finished, found_checkpoint, made_with, pretrain_folder
from usb_ext.as3l.pretrain.watch import Watch
from usb_ext.core.errors import SettingsError, our_errors
from usb_ext.core.files import RunFolder, replace_file, sealed, write_json, write_text
from usb_ext.core.folders import PRETRAIN, Hold, holding
from usb_ext.core.processes import by_first, first_then_others, world
from usb_ext.core.runtime import RunLog, device_name, resolve_device, versions
from usb_ext.data.features import Features, read_features, write_features
from usb_ext.data.fingerprint import (
    Fingerprint,
    refuse_other_data,
    training_images,
    write_fingerprint,
)
from usb_ext.data.sets import OWN, open_source
from usb_ext.data.training_set import TrainingSet, load_training_set
from usb_ext.engine.parts import Stop
from usb_ext.settings import LoadedSettings, Settings, resolved_yaml
from usb_ext.settings.processes import refuse_several_pretraining
from usb_ext.training.check import check_network
from usb_ext.training.together import together
from usb_ext.upstream.usb_datasets import check_dataset

_log = logging.getLogger(__name__)


def pretrain(loaded: LoadedSettings, stop: Stop | None = None) -> str:
    """Learn features, and write `backbone.pth`, `features.npz` and `pretrain.json`.

    What is there already with the same settings is kept; a checkpoint is continued with `resume`. Of several
    processes, as torchrun starts them, each calls this; they take the steps of one, and the first one writes.

    Args:
        loaded: checked settings.
        stop: the wish to stop; by default Ctrl-C and SIGTERM.

    Returns:
        A line for a person.

    Raises:
        SettingsError: a folder of other settings, a batch larger than the set or smaller than the processes,
            lightly missing; given features that lack training images.
        DataMissing: data, weights or features that are not there or cannot be used.
        RunFailed: a loss that is not finite.
        Interrupted: after a checkpoint, when asked to stop.
    """
    settings = loaded.settings
    if settings.features is not None:
        found = read_features(Path(settings.features))
        refuse_gaps(found, Path(settings.features), settings)
        return f"pre-training skipped: {len(found.values)} features are given, {settings.features}"
    stop = stop or Stop()
    with (
        together(settings, refuse=refuse_several_pretraining) as here,
        our_errors(),
        RunLog(settings.progress == "off", stop.unseen, silent=not here.first) as log,
    ):
        refuse_several_pretraining(settings, here.size)  # also where they have met before
        folder = RunFolder(pretrain_folder(settings))
        done = by_first(lambda: _made_before(settings, folder))
        if done is not None:
            return f"{_summary(folder, done)} (made before)"
        return _pretrain(settings, folder, stop, log)


def _made_before(settings: Settings, folder: RunFolder) -> dict[str, Any] | None:
    """The record of what is there already, of the same settings and images; None where it is to be made."""
    done = None if settings.overwrite else finished(folder, settings)
    if done is not None:
        _check_data(folder, training_images(settings))
    return done


def _check_data(folder: RunFolder, now: Fingerprint) -> None:
    """Refuse to use or continue a pre-training on other images.

    Raises:
        SettingsError: what differs.
    """
    remedy = "name the data that it had with --data_dir, or use another --ssl_name or --overwrite"
    if refuse_other_data(folder.path, now, f"the pre-training {folder.path}", remedy) is None:
        _log.warning("%s does not tell of its images (an older version): not checked", folder.path)


def _pretrain(settings: Settings, folder: RunFolder, stop: Stop, log: RunLog) -> str:
    """Check everything that can be wrong, then touch the disk, then train."""
    check_dataset(settings, OWN)
    device = resolve_device(settings.device)
    check_network(settings, device)
    if settings.amp == "fp16":
        raise SettingsError("amp is 'fp16', which pre-training has no loss scaling for; use bf16")
    if settings.num_threads is not None:
        torch.set_num_threads(settings.num_threads)
    how = {"resume": settings.resume, "overwrite": settings.overwrite}
    with ExitStack() as stack:
        hold = None
        if world().first:
            hold = stack.enter_context(holding(folder.path, **how, stage=PRETRAIN))
        return _pretrain_held(settings, folder, device, stop, log, hold)


def _pretrain_held(
    settings: Settings,
    folder: RunFolder,
    device: torch.device,
    stop: Stop,
    log: RunLog,
    hold: Hold | None,
) -> str:
    """The pre-training in its folder, which the first process holds; `hold` is None in the others."""
    state = by_first(lambda: found_checkpoint(folder, settings))
    source = open_source(settings, images_alone=True)
    if state is not None and world().first:
        _check_data(folder, training_images(settings, source))
    data = first_then_others(lambda: load_training_set(settings, source))
    training, watch = build(settings, data, folder, device, stop)
    if hold is not None:
        hold.open(found=state is not None)
        log.to_file(folder.log)
        write_text(folder.config, resolved_yaml(settings))
        write_fingerprint(folder.path, training_images(settings, source))
    if state is not None:
        restore(training, state)
        _log.info("continuing after step %d of %d", training.step, training.total)
    _say_how_long(training, device)
    with stop.on_signals():
        training.train()
    return _finish(settings, data, training, watch, device)


def _say_how_long(training: Pretraining, device: torch.device) -> None:
    """Before the first step, say how long all of them will take."""
    left = training.total - training.step
    if left <= 0:
        return
    seconds = in_words(left * seconds_a_step(training))
    where = "no GPU, " if device.type == "cpu" else ""
    several = f", {world().size} processes" if world().size > 1 else ""
    told = (where, device_name(device), several, left, seconds)
    _log.info("%s%s%s: %d steps will take about %s", *told)


def _finish(
    settings: Settings, data: TrainingSet, training: Pretraining, watch: Watch, device: torch.device
) -> str:
    """What pre-training leaves; its record comes last, so that a record means that all is there."""
    folder, method = training.folder, training.method
    with watch.judged(method):
        found = watch.training_features(method)
        scores = watch.scores_of(method, found)
        weights = {k: v.detach().cpu().clone() for k, v in method.backbone.state_dict().items()}
    features = Features(
        values=found.cpu().numpy(),
        ids=data.ids.ids(),
        targets=data.targets if (data.targets >= 0).any() else None,
        dataset=settings.dataset,
        class_names=data.classes,
    )
    record = {
        "made_with": made_with(settings),
        "epochs": settings.ssl_epochs,
        "steps": training.total,
        "seconds": round(training.seconds, 3),
        "images": len(data.targets),
        "dimensions": features.values.shape[1],
        **scores,
        "device": device_name(device),
        "versions": versions(),
    }
    if world().first:
        replace_file(folder.path / "backbone.pth", lambda p: torch.save({"model": weights}, p))
        write_features(folder.path / "features.npz", features)
        write_json(folder.path / "pretrain.json", sealed(record))
    return _summary(folder, record)


def _summary(folder: RunFolder, record: dict[str, Any]) -> str:
    knn = f"kNN accuracy {100 * record['knn']:.2f}%, " if "knn" in record else ""
    return f"{knn}spread {record['spread']:.2f}: {folder.path}/backbone.pth and features.npz"
