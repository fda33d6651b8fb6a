"""The images of a check (`usb-ext label --check`) with their classes, to measure a run by."""

import os
from pathlib import Path

from usb_ext.core.errors import DataMissing, UsbExtError
from usb_ext.core.files import RunFolder
from usb_ext.data.label_csv import has_label, label_rows
from usb_ext.labelling.check import in_run, overlap, read_check, trained_on
from usb_ext.serving.labelled import Labelled, named_in_csv
from usb_ext.training.load import TrainedRun


def in_check(run: TrainedRun, table: Path) -> Labelled:
    """The images of a check that have a class and that the run was not trained on with one.

    Args:
        run: the run.
        table: the check's CSV, from here or in the run's folder.

    Raises:
        DataMissing: no such check, its images are gone, or none of it is left.
        SettingsError: a class that the run does not know, or an image that is not there.
    """
    place = RunFolder(run.folder)
    check = read_check(in_run(place, table))
    found = named_in_csv(check.images, check.table, run.classes)
    rows = label_rows(check.table)
    answered = sum(has_label(row.class_name) for row in rows)
    remarks = [f"{answered} of {len(rows)} random images of {check.table} have a class"]
    try:
        seen = overlap(check.table, trained_on(place, run.settings))
    except UsbExtError:
        seen = frozenset()  # the draw left them out; nothing tells whether some were labelled since
        remarks.append("whether some of them were labelled for training since is not known")
    kept = [
        (file, target)
        for file, target in zip(found.files, found.targets, strict=True)
        if os.path.relpath(file, check.images).replace(os.sep, "/") not in seen
    ]
    if left := len(found.files) - len(kept):
        remarks.append(f"{left} of them are left out: the run was trained on them with a label")
    if not kept:
        raise DataMissing(f"no image of {check.table} is left that the run was not trained on")
    return Labelled(tuple(f for f, _ in kept), tuple(t for _, t in kept), tuple(remarks))
