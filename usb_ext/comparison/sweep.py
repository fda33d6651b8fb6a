"""A grid of settings as a comparison whose methods are its cells: `usb-ext sweep`.

The best cell is the one of the lowest error on validation images, of the last weights, as a mean over the
seeds: images held out of the training images (`num_val`), else the validation split of a data set that has
one beside its test split. The test split never chooses; where nothing else was evaluated no cell is best.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from usb_ext.comparison.asked import Asked, compare_asked, planned
from usb_ext.comparison.methods import RESERVED, Method
from usb_ext.core.errors import Interrupted, SettingsError
from usb_ext.settings import parse_flags

Axes = dict[str, tuple[str, ...]]
"""Names of settings with their values, as written."""

OUTPUTS = tuple(f"sweep.{ending}" for ending in ("json", "md", "csv", "png", "svg"))
HELD_OUT = "images held out of the training images (num_val)"
OWN_SPLIT = "the data set's validation split"
NOTHING = (
    "nothing but the test split, which chooses no cell; hold images out (--num_val N) to choose one"
)
NO_RUN = "nothing: no run is finished"
ANEW = "no best cell without --num_val N, which holds images out, unless the data set has a validation split"


def parse_grid(texts: Sequence[str]) -> Axes:
    """The axes of a grid.

    Args:
        texts: NAME=VALUE,VALUE,... each.

    Raises:
        SettingsError: no values, a setting twice, a value twice, or one that the sweep itself gives.
    """
    axes: Axes = {}
    for text in texts:
        name, equals, tail = text.partition("=")
        name = name.strip().replace("-", "_")
        values = tuple(value.strip() for value in tail.split(","))
        if not (name and equals and all(values)):
            raise SettingsError(
                f"--grid holds {text!r}; write NAME=VALUE,VALUE, such as lr=0.01,0.03"
            )
        if name in RESERVED:
            raise SettingsError(
                f"--grid sets {name}, which is the same for all cells; there are --seeds and --num-labels, "
                "and compare for methods"
            )
        if name in axes or len(set(values)) < len(values):
            raise SettingsError(
                f"--grid names {(name if name in axes else text)!r} twice; name each once"
            )
        axes[name] = values
    if not axes:
        raise SettingsError("sweep needs --grid NAME=VALUE,VALUE ..., such as lr=0.01,0.03")
    return axes


def cells_of(axes: Axes, algorithm: str) -> tuple[Method, ...]:
    """A method for each cell, the last axis fastest.

    Args:
        axes: as `parse_grid` gives them.
        algorithm: of all cells.

    Raises:
        SettingsError: no such setting.
    """
    found = []
    for values in product(*axes.values()):
        pairs = [f"{name}={value}" for name, value in zip(axes, values, strict=True)]
        try:
            settings = parse_flags([f"--{pair}" for pair in pairs])[1]
        except SettingsError as error:
            raise SettingsError(f"--grid: {error}") from error
        found.append(Method(",".join(pairs), algorithm, settings))
    if len({method.slug for method in found}) < len(found):
        raise SettingsError(
            "--grid: two cells would share a folder's name; write values without signs"
        )
    return tuple(found)


@dataclass(frozen=True)
class Cell:
    """What came of a cell's runs.

    Attributes:
        label: its settings, `lr=0.01,p_cutoff=0.9`.
        values: of the axes, in order.
        validation: errors in percent on validation images by seed; empty where there are none.
        test: errors in percent of the last checkpoint, as a comparison has them, by seed.
        missing: seeds without a run that can be used.
    """

    label: str
    values: tuple[str, ...]
    validation: dict[str, float]
    test: dict[str, float]
    missing: tuple[str, ...] = ()


def best_cell(cells: Sequence[Cell]) -> Cell | None:
    """The cell of the lowest mean validation error among those without a missing run.

    Args:
        cells: of a grid; ours: of several with the same error the first.
    """
    whole = [cell for cell in cells if not cell.missing and len(cell.validation) == len(cell.test)]
    able = [cell for cell in whole if cell.validation]
    return min(able, key=lambda cell: mean_of(cell.validation), default=None)


def mean_of(errors: Mapping[str, float]) -> float:
    """The mean of errors, of which there is one at least."""
    return sum(errors.values()) / len(errors)


def sweep_asked(
    asked: Asked, axes: Axes, say: Callable[[str], object] | None = None
) -> tuple[dict[str, Any], Path]:
    """Run what is missing of a grid, report as a comparison does, and choose the best cell.

    Args:
        asked: a comparison whose methods are `cells_of` the axes.
        axes: of the grid.
        say: shows a line to the person in front of it; None writes to stderr.

    Returns:
        What `sweep.json` holds, with `page`, its Markdown; and the folder.

    Raises:
        SettingsError, DataMissing: before any run.
        Interrupted: as in a comparison; where jobs go on, after the page of what is finished.
    """
    from usb_ext.comparison.processes import to_stderr
    from usb_ext.core.outputs import check_outputs

    check_outputs(asked.place, OUTPUTS)
    value = asked.given.value
    held = (
        {"num_val", "val_index_file"} & axes.keys() or value("num_val") or value("val_index_file")
    )
    if asked.train and not held:
        (say or to_stderr)(f"{ANEW}\n")
    try:
        compare_asked(asked, say)
    except Interrupted:
        if asked.cluster is not None:
            _reported(asked, axes)
        raise
    return _reported(asked, axes), asked.place


def _reported(asked: Asked, axes: Axes) -> dict[str, Any]:
    """Read the runs, write the files of the sweep; gives its report with the page."""
    from usb_ext.comparison.sweep_page import page_of, write_sweep

    cells, chosen_on = read_cells(asked, axes)
    best = best_cell(cells)
    report = {
        "command": asked.command,
        "axes": {name: list(values) for name, values in axes.items()},
        "chosen_on": chosen_on,
        "best": None if best is None else best.label,
        "cells": [asdict(cell) for cell in cells],
    }
    write_sweep(report, asked.place)
    return {**report, "page": page_of(report)}


def read_cells(asked: Asked, axes: Axes) -> tuple[list[Cell], str]:
    """What came of each cell, and in words on what a cell is chosen.

    Args:
        asked: the comparison.
        axes: of the grid.
    """
    from usb_ext.comparison.entries import Entry, of_one_source
    from usb_ext.comparison.records import read_record

    plan = planned(asked)[0]
    entries = []
    for run in plan:
        record = read_record(run.folder)
        where = (run.method.label, run.num_labels, run.fold, run.folder.path)
        found = None if isinstance(record, str) else record
        entries.append(Entry(*where, found, record if isinstance(record, str) else ""))
    usable = of_one_source(entries, asked.allow_mixed)
    choices = {_chosen_on(e.record.raw) for e in usable if e.record is not None}
    chosen_on = choices.pop() if len(choices) == 1 else (NOTHING if choices else NO_RUN)
    cells = []
    for method, values in zip(asked.methods, product(*axes.values()), strict=True):
        own = [entry for entry in usable if entry.method == method.label]
        cells.append(_cell(method.label, values, own, chosen_on))
    return cells, chosen_on


def _cell(label: str, values: tuple[str, ...], entries: Sequence[Any], chosen_on: str) -> Cell:
    """One cell of its entries, as `entries.Entry` has them."""
    records = {str(e.fold): e.record for e in entries if e.record is not None}
    missing = tuple(str(e.fold) for e in entries if e.record is None)
    test = {seed: record.errors["last"] for seed, record in records.items()}
    if chosen_on in (NOTHING, NO_RUN):
        return Cell(label, values, {}, test, missing)
    from usb_ext.comparison.records import percent_error

    key = "val_top1_last" if chosen_on == HELD_OUT else "top1_last"
    validation = {seed: percent_error(record.raw[key]) for seed, record in records.items()}
    return Cell(label, values, validation, test, missing)


def _chosen_on(raw: Mapping[str, Any]) -> str:
    """What a run was evaluated on that is not the test split."""
    if raw.get("val_top1_last") is not None:
        return HELD_OUT
    return OWN_SPLIT if raw.get("test_top1_last") is not None else NOTHING
