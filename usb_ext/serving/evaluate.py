"""`usb-ext evaluate`: how good a run is on images whose classes are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import write_json, write_text
from usb_ext.core.outputs import check_new, claim_outputs
from usb_ext.inference.predict import BATCH_SIZE
from usb_ext.serving.checked import in_check
from usb_ext.serving.labelled import Labelled, in_class_folders, named_in_csv
from usb_ext.serving.run_on_files import (
    Cell,
    as_csv,
    bad_in_a_line,
    bad_rows,
    of_images,
    predicted,
    ranked,
)
from usb_ext.serving.scores import LEVEL, Measured, Share, as_json, by_class, row_shares
from usb_ext.training.load import TrainedRun, Which, load_run

WORST = 100
"""ours: images in each list of the worst."""

FILES = (
    "scores.json", "predictions.csv", "per_class.csv", "confusion.csv", "confusion_percent.csv",
    "reliability.csv", "surely_wrong.csv", "least_sure.csv", "bad_files.csv",
)  # fmt: skip
COLUMNS = ("file", "true", "class", "probability", "second", "margin")


@dataclass(frozen=True)
class EvaluateOrder:
    """What is to be measured.

    Attributes:
        run: folder of the run.
        images: folder of images, `<class>/*`, or any if `labels` is given; None with `check`.
        out: folder that gets FILES.
        labels: CSV `file name,class`; None where folders say the classes.
        which: of the run's checkpoints.
        device: where the network goes.
        batch_size: images a batch.
        overwrite: files of ours in that folder are replaced.
        check: CSV of a check, in place of both; from here or in the run's folder.
        plugin: the run's, where it does not lie where it lay.
    """

    run: Path
    images: Path | None
    out: Path
    labels: Path | None = None
    which: Which = "latest"
    device: str = "auto"
    batch_size: int = BATCH_SIZE
    overwrite: bool = False
    check: Path | None = None
    plugin: str | None = None


def evaluate_run(order: EvaluateOrder) -> list[str]:
    """Predict, count and write; the files are tables (CSV) and `scores.json`, which comes last.

    Returns:
        Lines to show.

    Raises:
        DataMissing: the run, the folder or every image is missing or cannot be read.
        SettingsError: classes that the run does not know, a run on points or texts, or a folder that may
            not be written into.
    """
    check_new(order.out, FILES, overwrite=order.overwrite)
    opened = load_run(order.run, which=order.which, device=order.device, plugin=order.plugin)
    run = of_images(opened, "evaluate")
    labelled = _images(order, run)
    claim_outputs(order.out, FILES)
    found = predicted(run, labelled.files, order.batch_size)
    best = ranked(found.probabilities)
    targets = np.array(labelled.targets, dtype=np.int64)[found.good]
    measured = Measured(targets, best.first, best.probability, best.margin, len(run.classes))
    rows = _rows(run, [labelled.files[i] for i in found.good], measured, best.second.tolist())
    bad = bad_rows(labelled.files, found.bad)
    _write_tables(order.out, run.classes, measured, rows, bad)
    write_json(order.out / "scores.json", _scores(order, run, measured, len(bad)))
    lines = [
        *_summary(measured, run.classes),
        *labelled.remarks,
        f"{order.out}/scores.json and .csv",
    ]
    if bad:
        listed = str(order.out / "bad_files.csv")
        lines.insert(1, bad_in_a_line(labelled.files, found.bad, listed))
    return lines


def _images(order: EvaluateOrder, run: TrainedRun) -> Labelled:
    """The images to measure on."""
    if order.check is not None:
        return in_check(run, order.check)
    if order.images is None:
        raise SettingsError("evaluate needs images: DIR with <class>/*, or --check check.csv")
    if order.labels is None:
        return in_class_folders(order.images, run.classes)
    return named_in_csv(order.images, order.labels, run.classes)


def told_share(share: Share) -> str:
    """A share with its interval for a person, `91.0 % (95 % interval 86.2 to 94.2)`."""
    if share.value is None or share.interval is None:
        return "not known"
    low, high = share.interval
    return f"{100 * share.value:.1f} % ({100 * LEVEL:.0f} % interval {100 * low:.1f} to {100 * high:.1f})"


def _rows(
    run: TrainedRun, files: Sequence[str], measured: Measured, second: Sequence[int]
) -> list[list[Cell]]:
    """A row an image, with COLUMNS."""
    names = run.classes
    return [
        [
            file,
            names[int(measured.targets[i])],
            names[int(measured.predicted[i])],
            float(measured.confidence[i]),
            "" if second[i] < 0 else names[second[i]],
            float(measured.margin[i]),
        ]
        for i, file in enumerate(files)
    ]


def _write_tables(
    out: Path,
    classes: Sequence[str],
    measured: Measured,
    rows: Sequence[Sequence[Cell]],
    bad: Sequence[Sequence[Cell]],
) -> None:
    """All files but `scores.json`; the list of bad files only where there are some."""
    confusion = measured.confusion
    tables: dict[str, tuple[Sequence[str], Sequence[Sequence[Cell]]]] = {
        "predictions.csv": (COLUMNS, rows),
        "per_class.csv": (CLASS_COLUMNS, _class_rows(measured, classes)),
        "confusion.csv": (("true", *classes), _matrix(confusion, classes)),
        "confusion_percent.csv": (("true", *classes), _matrix(row_shares(confusion), classes)),
        "reliability.csv": (BIN_COLUMNS, _bin_rows(measured)),
        "surely_wrong.csv": (COLUMNS, [rows[i] for i in measured.surely_wrong(WORST)]),
        "least_sure.csv": (COLUMNS, [rows[i] for i in measured.least_sure(WORST)]),
    }
    if bad:
        tables["bad_files.csv"] = (("file", "reason"), bad)
    else:
        (out / "bad_files.csv").unlink(missing_ok=True)
    for name, (header, content) in tables.items():
        write_text(out / name, as_csv(header, content))


CLASS_COLUMNS = (
    "class", "images", "found", "recall", "recall_low", "recall_high",
    "predicted", "precision", "precision_low", "precision_high",
)  # fmt: skip
BIN_COLUMNS = ("low", "high", "images", "confidence", "accuracy")


def _class_rows(measured: Measured, classes: Sequence[str]) -> list[list[Cell]]:
    return [
        [c.name, c.recall.n, c.recall.hits, *_cells(c.recall), c.precision.n, *_cells(c.precision)]
        for c in by_class(measured.confusion, classes)
    ]


def _cells(share: Share) -> list[Cell]:
    """Share and interval, three empty cells of none."""
    if share.value is None or share.interval is None:
        return ["", "", ""]
    return [share.value, *share.interval]


def _bin_rows(measured: Measured) -> list[list[Cell]]:
    return [
        [b.low, b.high, b.n, *("" if v is None else v for v in (b.confidence, b.accuracy))]
        for b in measured.bins
    ]


def _matrix(values: "np.ndarray[Any, Any]", classes: Sequence[str]) -> list[list[Cell]]:
    return [[name, *row] for name, row in zip(classes, values.tolist(), strict=True)]


def _scores(
    order: EvaluateOrder, run: TrainedRun, measured: Measured, num_bad: int
) -> dict[str, Any]:
    """The content of `scores.json`."""
    return {
        "run": str(order.run),
        "which": order.which,
        "images": None if order.images is None else str(order.images),
        "check": None if order.check is None else str(order.check),
        "labels": None if order.labels is None else str(order.labels),
        "classes": list(run.classes),
        "accuracy": as_json(measured.accuracy),
        "level": LEVEL,
        "per_class": [
            {"class": c.name, "recall": as_json(c.recall), "precision": as_json(c.precision)}
            for c in by_class(measured.confusion, run.classes)
        ],
        "confusion": measured.confusion.tolist(),
        "calibration_error": measured.calibration_error,
        "reliability": [vars(b) for b in measured.bins],
        "bad_files": num_bad,
    }


def _summary(measured: Measured, classes: Sequence[str]) -> list[str]:
    """What a person wants to know first."""
    known = [c for c in by_class(measured.confusion, classes) if c.recall.n]
    worst = min(known, key=lambda c: c.recall.value or 0.0)
    return [
        f"accuracy {told_share(measured.accuracy)} on {measured.accuracy.n} images",
        f"worst class {worst.name}: {worst.recall.hits} of {worst.recall.n} found; calibration error "
        f"(ECE, {len(measured.bins)} bins) {measured.calibration_error:.3f}",
    ]
