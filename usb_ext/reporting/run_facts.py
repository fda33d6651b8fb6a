"""What there is to know of a run: from its folder, from its data, and from what its network says now."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import DataMissing, UsbExtError, our_errors
from usb_ext.core.files import RunFolder, check_is_run, read_json
from usb_ext.engine import checkpoint
from usb_ext.inference.inputs import is_file_name
from usb_ext.inference.predict import BATCH_SIZE, FloatArray
from usb_ext.labelling.check import CHECK
from usb_ext.reporting.own_data import Examples, OwnData
from usb_ext.reporting.run_page import Measurement, RunFacts
from usb_ext.serving.checked import in_check
from usb_ext.serving.labelled import in_class_folders
from usb_ext.serving.run_on_files import bar, predicted, ranked
from usb_ext.serving.scores import Measured
from usb_ext.settings import Settings
from usb_ext.training.load import TrainedRun, load_run, settings_of_run
from usb_ext.training.report import read_metrics

IntArray = NDArray[np.int64]
MOST = 24
"""ours: images in a gallery."""

TOLERANCE = 5e-4
"""ours: how far the accuracy now may lie from the recorded one before the page says so."""


@dataclass(frozen=True)
class Sources:
    """Where the facts come from.

    Attributes:
        folder: the run's.
        images: a folder `<class>/*` to measure on; None for the run's own evaluation split.
        most: labelled images to show.
        device: where the network goes.
        batch_size: images at once.
        plugin: the run's, where it does not lie where it lay.
    """

    folder: Path
    images: Path | None = None
    most: int = MOST
    device: str = "auto"
    batch_size: int = BATCH_SIZE
    plugin: str | None = None


def run_facts(sources: Sources) -> RunFacts:
    """Gather what there is; what is missing is said, not refused.

    Raises:
        DataMissing: no run's folder, or a folder of images that was asked for and cannot be used.
        SettingsError: settings that cannot be read, or images of classes that the run does not know.
    """
    place = RunFolder(sources.folder)
    check_is_run(place, ", or that of a comparison")
    settings = settings_of_run(place, sources.plugin)
    unknown: list[str] = []
    run = _opened(sources, unknown)
    data = OwnData(settings, place)
    measurement = None if run is None else _measurement(run, data, sources, unknown)
    check = None if run is None else _check(run, sources, unknown)
    measurement, check = (measurement, check) if measurement is not None else (check, None)
    labelled, count = _labelled(data, sources.most, unknown)
    confusion = None if measurement else _recorded(place, settings.num_classes)
    if run is None or run.result is None or run.result.status != "completed":
        unknown.insert(0, "How the run ends: it has not been completed.")
    return RunFacts(
        name=place.path.resolve().name,
        settings=settings,
        result=None if run is None else run.result,
        classes=_classes(run, settings),
        rows=read_metrics(place.metrics),
        confusion=confusion,
        measurement=measurement,
        check=None if check is None else check.measured.accuracy,
        labelled=labelled,
        num_labelled=count,
        unknown=tuple(unknown),
    )


def _opened(sources: Sources, unknown: list[str]) -> TrainedRun | None:
    """The run, or None and the reason in `unknown`."""
    try:
        with our_errors():
            return load_run(sources.folder, device=sources.device, plugin=sources.plugin)
    except UsbExtError as error:
        unknown.append(f"What the network says of any image: {error}.")
        return None


def _classes(run: TrainedRun | None, settings: Settings) -> tuple[str, ...]:
    return run.classes if run is not None else tuple(map(str, range(settings.num_classes)))


def _measurement(
    run: TrainedRun, data: OwnData, sources: Sources, unknown: list[str]
) -> Measurement | None:
    """What the run says of the images to measure on, or None and the reason in `unknown`."""
    if sources.images is not None:
        found = in_class_folders(sources.images, run.classes)
        targets = np.array(found.targets, dtype=np.int64)
        examples = Examples(found.files, found.files, targets)
        return _measured(run, examples, f"those in {sources.images}", sources.batch_size, unknown)
    try:
        with our_errors():
            examples = data.measured()
            where = "the run's evaluation split"
            made = _measured(run, examples, where, sources.batch_size, unknown)
    except UsbExtError as error:
        if not (sources.folder / CHECK).is_file():
            unknown.append(
                f"How good the run is on images that it has not seen: {error}. `usb-ext label RUN --check "
                "50` draws random ones for you to label, `usb-ext evaluate` measures on any whose classes "
                "you know."
            )
        return None
    _compare(made, run, unknown)
    return made


def _check(run: TrainedRun, sources: Sources, unknown: list[str]) -> Measurement | None:
    """What the run says of the random images in its folder's check; None where there is none."""
    if sources.images is not None or not (sources.folder / CHECK).is_file():
        return None
    try:
        with our_errors():
            found = in_check(run, sources.folder.absolute() / CHECK)
            targets = np.array(found.targets, dtype=np.int64)
            where = f"random ones that were labelled blind to the run ({CHECK})"
            return _measured(
                run, Examples(found.files, found.files, targets), where, sources.batch_size, unknown
            )
    except UsbExtError as error:
        unknown.append(f"What the check in {CHECK} says: {error}.")
        return None


def _measured(
    run: TrainedRun, examples: Examples, where: str, batch_size: int, unknown: list[str]
) -> Measurement:
    """Predict and put beside the classes; images without a class and bad files are left out."""
    known = np.flatnonzero(examples.targets >= 0)
    if not len(known):
        raise DataMissing("no image of the evaluation split has a class")
    good, probabilities = _probabilities(run, examples, known, batch_size)
    if len(good) < len(known):
        unknown.append(f"{len(known) - len(good)} of {len(known)} images: they cannot be decoded.")
    best = ranked(probabilities)
    measured = Measured(
        examples.targets[good], best.first, best.probability, best.margin, len(run.classes)
    )
    items = [examples.items[int(i)] for i in good]
    return Measurement(measured, items, [examples.names[int(i)] for i in good], where)


def _probabilities(
    run: TrainedRun, examples: Examples, known: IntArray, batch_size: int
) -> tuple[IntArray, FloatArray]:
    """Positions of the images that can be used, and the probabilities of those."""
    items = [examples.items[int(i)] for i in known]
    if is_file_name(items[0]):
        files = [os.fspath(item) for item in items]  # type: ignore[arg-type]
        found = predicted(run, files, batch_size)
        return known[found.good], found.probabilities
    parts = []
    with bar(len(items)) as done:
        for start in range(0, len(items), batch_size):
            part = items[start : start + batch_size]
            parts.append(run.predict_proba(part, batch_size))
            done(len(part))
    return known, np.concatenate(parts)


def _compare(found: Measurement, run: TrainedRun, unknown: list[str]) -> None:
    """Say where the accuracy now is not the recorded one: other files, or an older checkpoint."""
    then = None if run.result is None else run.result.top1_last
    now = found.measured.accuracy.value
    if then is not None and now is not None and abs(then - now) > TOLERANCE:
        unknown.append(
            f"Why the accuracy is {now:.4f} now and {then:.4f} in the run's record: its files or its "
            "checkpoint have changed since."
        )


def _labelled(data: OwnData, most: int, unknown: list[str]) -> tuple[Examples | None, int | None]:
    """The first labelled images and how many there are, or the reason in `unknown`."""
    try:
        with our_errors():
            found = data.labelled()
            return found.first(most), len(found.names)
    except UsbExtError as error:
        unknown.append(f"Which images were labelled: {error}.")
        return None, _counted(data.folder)


def _counted(place: RunFolder) -> int | None:
    try:
        found = read_json(place.path / "labelled.json", "the list", "")
    except DataMissing:
        return None
    return len(found) if isinstance(found, list) else None


def _recorded(place: RunFolder, num_classes: int) -> IntArray | None:
    """The confusion matrix of the last evaluation, out of the checkpoint; None where there is none."""
    if not place.latest.is_file():
        return None
    try:
        hooks = checkpoint.read(place.latest, remedy="")["usb_ext"]["hooks"]
        found = np.array(hooks["EvaluationHook"]["confusion"], dtype=np.int64)
    except (UsbExtError, LookupError, TypeError, ValueError):
        return None
    return found if found.shape == (num_classes, num_classes) else None
