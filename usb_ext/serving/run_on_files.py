"""What a run makes of image files: the classes, in rows for a CSV, and the files that are bad."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.runtime import Screen
from usb_ext.data.preprocessing import ImagePreprocessing
from usb_ext.inference.predict import FilesPredicted, FloatArray, predict_files
from usb_ext.training.load import TrainedRun

Cell = str | int | float
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Ranked:
    """The two most probable classes of n images.

    Attributes:
        first: (n,) class numbers.
        second: (n,) likewise; -1 where there is one class alone.
        probability: (n,) of the first.
        margin: (n,) how much more probable the first is than the second, in [0, 1].
    """

    first: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    second: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    probability: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    margin: "np.ndarray[tuple[int], np.dtype[np.float64]]"


def ranked(probabilities: FloatArray) -> Ranked:
    """The two most probable classes of each row (n, K); of equal ones the lower number comes first."""
    wide = probabilities.astype(np.float64)
    order = np.argsort(-wide, axis=1, kind="stable")
    rows = np.arange(len(wide))
    first = order[:, 0]
    top = wide[rows, first]
    if wide.shape[1] == 1:
        return Ranked(first, np.full(len(wide), -1), top, top)
    second = order[:, 1]
    return Ranked(first, second, top, top - wide[rows, second])


def of_images(run: TrainedRun, command: str) -> TrainedRun:
    """The run as a model of images; one on features has the network that made them in front of its own.

    Raises:
        SettingsError: a run on points.
        DataMissing: as in `TrainedRun.on_images`.
    """
    if run.frozen is None and not isinstance(run.transform, ImagePreprocessing):
        raise SettingsError(
            f"{run.folder} is a run on {run.settings.dataset}, whose examples are points, and `usb-ext "
            f"{command}` takes image files; from Python usb_ext.load_run(...).predict(points) takes them"
        )
    return run.on_images()


def predicted(run: TrainedRun, files: Sequence[str], batch_size: int) -> FilesPredicted:
    """What a run says of files, with a bar on a terminal.

    Args:
        run: on images.
        files: their paths.
        batch_size: images a batch.

    Raises:
        SettingsError: a batch size below 1.
        DataMissing: none of the files can be decoded.
    """
    if batch_size < 1:
        raise SettingsError(f"--batch-size is {batch_size}; it must be at least 1")
    with bar(len(files)) as done:
        found = predict_files(run.network, run.transform, len(run.classes), files, batch_size, done)
    if not len(found.good):
        position, why = next(iter(found.bad.items()))
        raise DataMissing(
            f"none of the {len(files)} files can be decoded, the first is {files[position]}: {why}"
        )
    return found


@contextmanager
def bar(total: int) -> Iterator[Callable[[int], object]]:
    """Inside, a bar of so many images where a person sits at the terminal; gives what moves it on."""
    screen = Screen()
    with tqdm(total=total, unit="img", file=screen, disable=not screen.isatty()) as shown:
        yield shown.update


def bad_rows(files: Sequence[str], bad: Mapping[int, str]) -> list[list[Cell]]:
    """A row `file, reason` for each file that cannot be decoded."""
    return [[files[position], why] for position, why in sorted(bad.items())]


def bad_in_a_line(files: Sequence[str], bad: Mapping[int, str], listed_in: str) -> str:
    """How many files are bad, the first of them, and where all are listed."""
    first = "; ".join(f"{files[p]}: {why}" for p, why in sorted(bad.items())[:SHOWN])
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return f"{len(bad)} of {len(files)} files cannot be decoded ({first}{more}), all in {listed_in}"


def as_csv(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A CSV with a header; shares with six decimals."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return stream.getvalue()


def _cell(value: Cell) -> str | int:
    return f"{value:.6f}" if isinstance(value, float) else value
