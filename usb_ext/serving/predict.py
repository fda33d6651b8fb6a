"""`usb-ext predict`: the class of every image, in a CSV."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.files import write_text
from usb_ext.core.outputs import check_new, claim_outputs
from usb_ext.inference.predict import BATCH_SIZE
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
        out: the CSV.
        which: of the run's checkpoints.
        device: where the network goes.
        batch_size: images a batch.
        sort_into: folder that gets a copy of each image, in a folder a class; None for none.
        overwrite: a CSV of ours in that place is replaced.
    """

    run: Path
    places: Sequence[str]
    out: Path
    which: Which = "latest"
    device: str = "auto"
    batch_size: int = BATCH_SIZE
    sort_into: Path | None = None
    overwrite: bool = False


def predict_images(order: PredictOrder) -> list[str]:
    """Write the CSV, with columns `HEADER`; files that cannot be decoded are listed in another beside it.

    Returns:
        Lines to show.

    Raises:
        DataMissing: the run, a place or every image is missing or cannot be read.
        SettingsError: a run on points or texts, or a file or folder that may not be written.
    """
    bad_file = order.out.with_name(f"{order.out.stem}_bad_files.csv")
    names = [order.out.name, bad_file.name]
    check_new(order.out.parent, names, overwrite=order.overwrite)
    images = find_images(order.places)
    run = of_images(load_run(order.run, which=order.which, device=order.device), "predict")
    if order.sort_into is not None:
        check_sort_folder(order.sort_into, run.classes, order.places)
    claim_outputs(order.out.parent, names)
    found = predicted(run, images.files, order.batch_size)
    best = ranked(found.probabilities)
    files = [images.files[i] for i in found.good]
    classes = [run.classes[i] for i in best.first]
    second = ["" if i < 0 else run.classes[i] for i in best.second]
    numbers = best.probability.tolist(), best.margin.tolist()
    rows = list(zip(files, classes, numbers[0], second, numbers[1], strict=True))
    _write_bad(bad_file, bad_rows(images.files, found.bad))
    write_text(order.out, as_csv(HEADER, rows))
    lines = [f"{len(files)} images, {_counts(classes)}: {order.out}", *images.remarks]
    if found.bad:
        lines.append(bad_in_a_line(images.files, found.bad, str(bad_file)))
    if order.sort_into is not None:
        copied, there = sort_into(order.sort_into, zip(files, classes, strict=True))
        lines.append(f"{copied} copied into {order.sort_into}, {there} were there already")
    return lines


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
