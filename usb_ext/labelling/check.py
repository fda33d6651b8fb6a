"""A check of a run: random images that a person labels without seeing what the run says, kept apart.

`check.csv` holds the images and their classes, `check.json` beside it where they lie and how they were
drawn, so that `usb-ext evaluate --check` and `report` need nothing else. In a run's folder they belong to
that run. They are never labels to train on: an image that a run was trained on with a label is left out,
also one that was labelled for training later.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder, read_json, write_json
from usb_ext.data.folder_scan import scan_folder
from usb_ext.data.image_names import NameIndex, normal_name
from usb_ext.data.label_csv import label_rows
from usb_ext.data.label_files import read_selected
from usb_ext.labelling.table import check_names, new_table
from usb_ext.settings import Settings

CHECK = "check.csv"
REMEDY = "draw one with `usb-ext label RUN --check N`"


@dataclass(frozen=True)
class Check:
    """What is drawn.

    Attributes:
        table: the CSV.
        images: folder that its names are relative to.
        seed: of the draw.
        drawn_from: images that it was drawn from.
    """

    table: Path
    images: Path
    seed: int
    drawn_from: int


def record_beside(table: Path) -> Path:
    """Where it stands what a check was drawn from: `check.json` for `check.csv`."""
    return table.with_suffix(".json")


def draw_check(table: Path, images: Path, count: int, seed: int, labelled: Sequence[str]) -> Check:
    """Draw images and write the CSV to fill in.

    Args:
        table: the CSV; it must not be there.
        images: their folder; images of a test split do not count.
        count: how many to draw.
        seed: of the draw.
        labelled: names of those that a model was trained on with a label; none of them is drawn.

    Raises:
        DataMissing: no images there.
        SettingsError: too few are left, or a labelled one is not among them.
    """
    names = scan_folder(images, test="none", need_classes=False).train.names
    chosen = check_names(names, count, seed, labelled)
    made = Check(table, images.resolve(), seed, len(names) - len(labelled))
    new_table(table, chosen)
    content: dict[str, Any] = {
        "format": "usb_ext check 1", "images": str(made.images), "seed": seed, "drawn_from": made.drawn_from,
    }  # fmt: skip
    write_json(record_beside(table), content)
    return made


def read_check(table: Path) -> Check:
    """What was drawn.

    Raises:
        DataMissing: the CSV or the record beside it is not there, or damaged.
    """
    if not table.is_file():
        raise DataMissing(f"there is no check {table}; {REMEDY}")
    path = record_beside(table)
    found = read_json(
        path, "the record of a check", "name the folder of its images as DIR --labels"
    )
    try:
        return Check(table, Path(found["images"]), int(found["seed"]), int(found["drawn_from"]))
    except (LookupError, TypeError, ValueError) as error:
        raise DataMissing(f"{path} is no record of a check; {REMEDY}") from error


def in_run(place: RunFolder, table: Path) -> Path:
    """A check's CSV as it is named: from here, or else in the run's folder."""
    return table if table.exists() or table.is_absolute() else place.path / table


def trained_on(place: RunFolder, settings: Settings) -> list[str]:
    """Names of the images that a run was given the labels of.

    Args:
        place: its folder.
        settings: of the run.

    Raises:
        DataMissing: the file that names them is not there.
        SettingsError: the run's images are no files, or which they are cannot be told.
    """
    file = (
        Path(settings.label_file)
        if settings.label_split == "file" and settings.label_file
        else None
    )
    if file is not None and file.suffix.lower() == ".csv":
        return [row.file_name for row in label_rows(file) if row.has_label]
    if file is not None:
        chosen = read_selected(file)
        named = chosen.files if chosen.files is not None else chosen.ids
        if all(isinstance(name, str) for name in named):
            return [str(name) for name in named]
    if settings.dataset != "imagefolder" or settings.skip_bad_images:
        raise SettingsError(
            f"which images {place.path} was trained on with a label is not written by name; give --except "
            "FILE.csv, which names them, and --images DIR"
        )
    listed = read_json(place.path / "labelled.json", "the list", "the run was not begun")
    names = scan_folder(Path(settings.data_dir), test="none", need_classes=False).train.names
    return [names[int(position)] for position in np.asarray(listed, dtype=np.int64)]


def overlap(table: Path, labelled: Sequence[str]) -> frozenset[str]:
    """File names of a check, as it writes them, that are among labelled ones.

    Args:
        table: the check's CSV.
        labelled: names, as in `trained_on`.
    """
    names = [row.file_name for row in label_rows(table)]
    index = NameIndex(names)
    found: set[str] = set()
    whole: Collection[str] = {normal_name(name) for name in labelled}
    found.update(name for name in names if normal_name(name) in whole)
    for name in labelled:
        try:
            found.add(names[index.find(name)])
        except LookupError:
            continue
    return frozenset(found)
