"""`usb-ext predict` and `usb_ext.predict`: the class of every image in files and folders, also as a CSV."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.files import write_text
from usb_ext.core.outputs import check_new, claim_outputs
from usb_ext.inference.predict import BATCH_SIZE, FloatArray
from usb_ext.serving.places import find_images
from usb_ext.serving.run_on_files import (
    as_csv,
    bad_in_a_line,
    bad_rows,
    of_images,
    predicted,
    ranked,
)
from usb_ext.serving.sort import check_sort_folder, sort_into
from usb_ext.training.load import Which, load_run

HEADER = ("file", "class", "probability", "second", "margin")


@dataclass(frozen=True)
class PredictOrder:
    """What is to be predicted.

    Attributes:
        run: folder of the run.
        places: image files, and folders of them.
        out: the CSV; None writes none.
        which: of the run's checkpoints.
        device: where the network goes.
        batch_size: images a batch.
        sort_into: folder that gets a copy of each image, in a folder a class; None for none.
        overwrite: a CSV of ours in that place is replaced.
        plugin: the run's, where it does not lie where it lay.
    """

    run: Path
    places: Sequence[str]
    out: Path | None
    which: Which = "latest"
    device: str = "auto"
    batch_size: int = BATCH_SIZE
    sort_into: Path | None = None
    overwrite: bool = False
    plugin: str | Path | None = None


@dataclass(frozen=True, eq=False)
class FilePredictions:
    """What a run says of N image files.

    Attributes:
        files: the N paths.
        classes: N names, each the most probable class.
        probabilities: (N, K) float32, columns in the order of `names`.
        names: of the K classes.
        bad: files that could not be decoded, each with the reason; none of the N.
        remarks: what was passed over in folders, and what was copied, in words.
    """

    files: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: FloatArray
    names: tuple[str, ...]
    bad: Mapping[str, str]
    remarks: tuple[str, ...]


def predict_images(order: PredictOrder) -> list[str]:
    """Write the CSV, with columns `HEADER`; files that cannot be decoded are listed in another beside it.

    Returns:
        Lines to show.

    Raises:
        DataMissing: the run, a place or every image is missing or cannot be read.
        SettingsError: a run on points or texts, or a file or folder that may not be written.
    """
    found = predict_files_of(order)
    lines = [f"{len(found.files)} images, {_counts(found.classes)}: {order.out}"]
    if found.bad:
        bad_first, why = (*found.bad, *found.files), dict(enumerate(found.bad.values()))
        listed_in = "" if order.out is None else str(_bad_file(order.out))
        lines.append(bad_in_a_line(bad_first, why, listed_in))
    return [*lines, *found.remarks]


def predict_files_of(order: PredictOrder) -> FilePredictions:
    """Predict, and write what the order asks for.

    Args:
        order: what is to be predicted.

    Raises:
        DataMissing, SettingsError: as in `predict_images`.
    """
    if order.out is not None:
        names = [order.out.name, _bad_file(order.out).name]
        check_new(order.out.parent, names, overwrite=order.overwrite)
    images = find_images(order.places)
    opened = load_run(order.run, which=order.which, device=order.device, plugin=order.plugin)
    run = of_images(opened, "predict")
    if order.sort_into is not None:
        check_sort_folder(order.sort_into, run.classes, order.places)
    if order.out is not None:
        claim_outputs(order.out.parent, names)
    found = predicted(run, images.files, order.batch_size)
    files = tuple(images.files[i] for i in found.good)
    classes = tuple(run.classes[i] for i in ranked(found.probabilities).first)
    if order.out is not None:
        _write(order.out, files, run.classes, found.probabilities)
        _write_bad(_bad_file(order.out), bad_rows(images.files, found.bad))
    remarks = list(images.remarks)
    if order.sort_into is not None:
        copied, there = sort_into(order.sort_into, zip(files, classes, strict=True))
        remarks.append(f"{copied} copied into {order.sort_into}, {there} were there already")
    bad = {images.files[position]: why for position, why in sorted(found.bad.items())}
    return FilePredictions(files, classes, found.probabilities, run.classes, bad, tuple(remarks))


def _bad_file(out: Path) -> Path:
    """The list of bad files beside a CSV."""
    return out.with_name(f"{out.stem}_bad_files.csv")


def _write(
    out: Path, files: Sequence[str], names: Sequence[str], probabilities: FloatArray
) -> None:
    """The CSV: file, class, probability, second class, margin."""
    best = ranked(probabilities)
    classes = [names[i] for i in best.first.tolist()]
    second = ["" if i < 0 else names[i] for i in best.second.tolist()]
    numbers = best.probability.tolist(), best.margin.tolist()
    rows = list(zip(files, classes, numbers[0], second, numbers[1], strict=True))
    write_text(out, as_csv(HEADER, rows))


def _write_bad(path: Path, rows: Sequence[Sequence[str | int | float]]) -> None:
    """The list of bad files, or no such file where there is none."""
    if rows:
        write_text(path, as_csv(("file", "reason"), rows))
    else:
        path.unlink(missing_ok=True)


def _counts(classes: Sequence[str]) -> str:
    """How many of each class, the most frequent first, ten at most."""
    most = Counter(classes).most_common()
    more = f" and {len(most) - 10} classes more" if len(most) > 10 else ""
    return ", ".join(f"{name} {count}" for name, count in most[:10]) + more
