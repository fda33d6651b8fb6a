"""`usb-ext start`: from a folder of photographs to a model in use, step by step, each where it stopped.

The folder of a start, beside which nothing is written:

    features/            `usb-ext features`: what a frozen network says of views of every image
    labels/              `usb-ext select`: to_label.csv, selected.json, selected.png; classes.txt
    model_N_DIGEST/      `usb-ext train`: a run on N labels, named by their digest, so that more labels make
                         another one and nothing is lost
    report_N_DIGEST.html `usb-ext report`
"""

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from usb_ext.as3l.clustering.fine_tuning import Tuning
from usb_ext.as3l.frozen.made import FeaturesOrder
from usb_ext.as3l.frozen.stage import make_features
from usb_ext.as3l.inputs.given_labels import read_asked
from usb_ext.as3l.pretrain.loop import in_words
from usb_ext.as3l.select.stage import SelectOrder, select_images
from usb_ext.core.errors import DataMissing, SettingsError, quoted
from usb_ext.core.files import RunFolder, file_sha256, read_json
from usb_ext.core.folders import has_checkpoint
from usb_ext.core.result import percent
from usb_ext.data.feature_views import PLAIN
from usb_ext.data.features import Ids, read_features
from usb_ext.data.image_names import normal_name
from usb_ext.data.label_files import read_selected
from usb_ext.labelling.table import CLASSES, write_classes
from usb_ext.quickstart.inspection import Inspection, inspect_folder, told
from usb_ext.reporting.stage import ReportOrder, write_report
from usb_ext.settings import LoadedSettings, Settings, load_settings
from usb_ext.settings.as3l import TO_LABEL
from usb_ext.settings.feature_set import FEATURES
from usb_ext.settings.shipped import settings_file
from usb_ext.training.load import settings_of_run
from usb_ext.training.train import train

FEATURES_FILE = "folder_features"
"""The shipped settings of the frozen network."""

Say = Callable[[str], object]
Ask = Callable[[Path, Path, Sequence[str]], object]
"""Lets a person fill in the classes: the CSV, the folder of the images, the names of the classes."""


@dataclass(frozen=True)
class StartOrder:
    """What is asked for.

    Attributes:
        folder: the photographs.
        out: where everything goes.
        classes: names of the K >= 2 classes; empty with `labels` "folders".
        budget: images to label.
        config: the settings of training, a file or a shipped name.
        frozen: settings of the frozen network that win over those of `FEATURES_FILE`.
        weak: weak views of each image.
        strong: strong views.
        strategy: how the images to label are chosen.
        labels: "asked" of a person, or taken from the class "folders".
        seed: of choice and training.
    """

    folder: Path
    out: Path
    classes: tuple[str, ...] = ()
    budget: int = 40
    config: str = "folder_40_cpu"
    frozen: Mapping[str, object] = field(default_factory=dict)
    weak: int = 4
    strong: int = 8
    strategy: str = "typiclust"
    labels: Literal["asked", "folders"] = "asked"
    seed: int = 0

    @property
    def labels_folder(self) -> Path:
        """Where the labels are."""
        return self.out / "labels"

    @property
    def to_label(self) -> Path:
        """What a person fills in."""
        return self.labels_folder / TO_LABEL

    @property
    def features(self) -> Path:
        """The folder of features."""
        return self.out / "features"


def start(order: StartOrder, say: Say, ask: Ask | None = None) -> None:
    """Take the steps that are missing.

    Args:
        order: what is asked for.
        say: shows a line to the person in front of it.
        ask: lets that person label; None stops at the CSV.

    Raises:
        SettingsError: before any work; or answers that name no class.
        DataMissing: images, weights or answers that are missing.
        RunFailed, Interrupted: as in the steps; what is made by then is kept, and the next call goes on.
    """
    check_order(order)
    _check_out(order)
    with _step("look", say):
        seen = inspect_folder(order.folder)
        for line in told(seen):
            say(line)
        _check_folder(order, seen)
    frozen = _frozen_settings(order, seen)
    with _step("features", say):
        made = FeaturesOrder(
            order.weak, order.strong, order.features, "give the same, or another --out"
        )
        say(make_features(frozen.settings, made))
    with _step("choice", say):
        _choose(order, frozen.settings, say)
    labelled = _labels(order, ask)
    run = RunFolder(order.out / f"model_{labelled.count}_{labelled.digest[:8]}")
    with _step("training", say):
        say(_train(order, seen, run, labelled, say))
    report = order.out / f"report_{run.path.name.removeprefix('model_')}.html"
    with _step("report", say):
        if not report.is_file():
            for line in write_report(ReportOrder(run.path, report)):
                say(line)
    for line in _next(order, run):
        say(line)


def check_order(order: StartOrder) -> None:
    """Refuse what cannot be, before any work.

    Raises:
        SettingsError: too few classes, one twice, a budget below their number, or labels of two kinds.
    """
    if order.labels == "folders":
        if order.classes:
            raise SettingsError(
                "--labels folders takes the classes of the folders; leave --classes out"
            )
        return
    if len(order.classes) < 2:
        raise SettingsError("--classes needs two names or more, such as --classes cat dog")
    names = Counter(normal_name(name) for name in order.classes)
    if twice := [name for name, count in names.items() if count > 1]:
        raise SettingsError(f"--classes names {quoted(twice[0])} twice")
    if order.budget < len(order.classes):
        raise SettingsError(
            f"--budget is {order.budget}, fewer than the {len(order.classes)} classes; use "
            f"{len(order.classes)} or more, better ten times as many"
        )


def _check_out(order: StartOrder) -> None:
    """Refuse a place that holds what `start` did not make, before any work.

    Raises:
        SettingsError: a file, or labels that no choice of images stands beside.
    """
    if order.out.exists() and not order.out.is_dir():
        raise SettingsError(f"--out is {order.out}, a file; name a folder")
    if order.to_label.exists() and not (order.labels_folder / "selected.json").is_file():
        raise SettingsError(
            f"{order.to_label} is there and is not of `usb-ext start`; choose another --out"
        )


@contextmanager
def _step(name: str, say: Say) -> Iterator[None]:
    """Inside, a step; its seconds are shown at the end."""
    began = time.monotonic()
    yield
    say(f"[{name}: {in_words(time.monotonic() - began)}]")


def _check_folder(order: StartOrder, seen: Inspection) -> None:
    """Refuse a folder that the order does not fit.

    Raises:
        SettingsError: no class folders where labels are to come from them, or a budget above the images.
    """
    usable = seen.training - len(set(seen.bad) & set(seen.scan.train.names))
    if order.budget > usable:
        raise SettingsError(f"--budget is {order.budget}, but {order.folder} has {usable} images")
    if order.labels == "folders" and len(seen.scan.classes) < 2:
        raise SettingsError(
            f"--labels folders, but {order.folder} has no train/<class>/ folders; name the classes with "
            "--classes, and label some images"
        )


def _classes(order: StartOrder, seen: Inspection) -> tuple[str, ...]:
    return order.classes or seen.scan.classes


def _frozen_settings(order: StartOrder, seen: Inspection) -> LoadedSettings:
    """Settings of the frozen network on the folder."""
    given = {
        "data_dir": str(order.folder),
        "num_classes": len(seen.scan.classes) or len(order.classes),
        "skip_bad_images": True,
        "yes": True,
        "without_test": not seen.tested,
        "save_dir": str(order.out),
    }
    return load_settings(settings_file(FEATURES_FILE), {**given, **order.frozen})


def _choose(order: StartOrder, frozen: Settings, say: Say) -> None:
    """The images to label: all of the budget, or those that a larger budget adds to earlier ones."""
    before = 0
    if (order.labels_folder / "selected.json").is_file():
        before = len(read_selected(order.labels_folder / "selected.json").ids)
    if before >= order.budget:
        say(f"{before} images chosen before: {order.labels_folder}")
        return
    again = before > 0 and order.to_label.is_file()
    wanted = SelectOrder(
        features=order.features / PLAIN,
        budget=order.budget - before if again else order.budget,
        strategy=order.strategy,
        tuning=Tuning(normalise="centered"),
        average_views=True,
        seed=order.seed,
        out=order.labels_folder,
        given=order.to_label if again else None,
    )
    say(select_images(wanted, frozen))


@dataclass(frozen=True)
class Labelled:
    """The labels that are there.

    Attributes:
        file: what names the labelled images: a CSV, or a selection whose classes the folders tell.
        count: how many they are.
        digest: SHA-256 of the file.
    """

    file: Path
    count: int
    digest: str


def _labels(order: StartOrder, ask: Ask | None) -> Labelled:
    """The labels, after a person was asked for those that are missing.

    Raises:
        DataMissing: some are missing still.
        SettingsError: answers that name no class.
    """
    if order.labels == "folders":
        file = order.labels_folder / "selected.json"
        return Labelled(file, len(read_selected(file).ids), file_sha256(file))
    write_classes(order.labels_folder / CLASSES, order.classes)
    ids = read_features(order.features / PLAIN).ids
    answers = _answers(order, ids)
    if not all(answers) and ask is not None:
        ask(order.to_label, order.folder, order.classes)
        answers = _answers(order, ids)
    if open_rows := answers.count(""):
        raise DataMissing(
            f"{open_rows} of the {len(answers)} images in {order.to_label} have no class yet; write one of "
            f"{', '.join(order.classes)} behind their names (selected.png shows them), then give the same "
            "command again"
        )
    return Labelled(order.to_label, len(answers), file_sha256(order.to_label))


def _answers(order: StartOrder, ids: Ids) -> list[str]:
    """The class of each image that was asked for; "" where there is none yet.

    Args:
        order: what is asked for.
        ids: (N,) of the features.

    Raises:
        SettingsError: an answer that names no class.
    """
    asked = read_asked(order.to_label, ids)
    answers = asked.classes
    known = {normal_name(name) for name in order.classes}
    wrong = [
        (n, a)
        for n, a in zip(asked.rows, answers, strict=True)
        if a and normal_name(a) not in known
    ]
    if wrong:
        row, answer = wrong[0]
        near = [c for c in order.classes if c.strip().casefold() == answer.strip().casefold()]
        meant = f"; write {near[0]!r}" if near else ""
        raise SettingsError(
            f"{order.to_label} says {quoted(answer)} of {quoted(str(ids[row]))}, which is none of the "
            f"classes {', '.join(order.classes)}{meant}"
        )
    return answers


NETWORK = ("net", "dataset", "feature_transform", "num_classes", "img_size")
"""Settings that make the network: those that a model must share with one that it goes on from."""


def _train(
    order: StartOrder, seen: Inspection, run: RunFolder, labelled: Labelled, say: Say
) -> str:
    """Train, from the model of fewer labels where there is one; or go on with it, or say that it is done."""
    given: dict[str, object] = {
        "save_dir": str(order.out),
        "save_name": run.path.name,
        "label_split": "file",
        "label_file": str(labelled.file),
        "num_labels": labelled.count,
        "num_classes": len(_classes(order, seen)),
        "without_test": not seen.tested,
        "seed": order.seed,
        "resume": has_checkpoint(run.path),
    }
    file = settings_file(order.config)
    if load_settings(file, {"feature_file": str(order.features)}).settings.dataset == FEATURES:
        given["feature_file"] = str(order.features)
        if order.labels == "asked" and not seen.scan.classes:
            given["class_list"] = str(order.labels_folder / CLASSES)
    else:
        given |= {"data_dir": str(order.folder), "skip_bad_images": True, "yes": True}
    if _ended(run.path):
        return f"{run.path}: trained before"
    loaded = load_settings(file, given)
    if (earlier := _earlier(order, loaded.settings)) is not None:
        say(f"going on from {earlier}")
        loaded = load_settings(file, {**given, "start_from": str(earlier)})
    result = train(loaded)
    known = (
        ""
        if result.top1_last is None
        else f", {percent(result.top1_last)} of the test images right"
    )
    return f"{run.path}: {result.iterations} steps on {labelled.count} labels{known}"


def _earlier(order: StartOrder, wanted: Settings) -> Path | None:
    """The model of the same network with most labels, but fewer than there are now, if one has ended."""
    found: list[tuple[int, Path]] = []
    for path in order.out.glob("model_*"):
        if _ended(path):
            then = settings_of_run(RunFolder(path))
            alike = all(getattr(then, n) == getattr(wanted, n) for n in NETWORK)
            if alike and then.num_labels < wanted.num_labels:
                found.append((then.num_labels, path))
    return max(found)[1] if found else None


def _ended(run: Path) -> bool:
    place = RunFolder(run)
    if not place.result.is_file() or not has_checkpoint(run):
        return False
    result = read_json(place.result, "the record of the run", "remove the folder")
    return isinstance(result, dict) and result.get("status") == "completed"


def _next(order: StartOrder, run: RunFolder) -> Iterator[str]:
    """The commands that use the model."""
    model, images = shlex.quote(str(run.path)), shlex.quote(str(order.folder))
    yield "use it:"
    yield f"  usb-ext predict {model} {images} --out predictions.csv"
    if order.labels == "asked":
        yield "how good it is, on 50 images by chance that you label without seeing what it says:"
        yield f"  usb-ext label {model} --check 50 --images {images}"
        yield f"  usb-ext evaluate {model} --check {shlex.quote(str(run.path / 'check.csv'))}"
    else:
        yield f"  usb-ext evaluate {model} DIR       # images whose classes you know, in DIR/<class>/"
    yield f"  usb-ext export {model} --format onnx --out model.onnx"
