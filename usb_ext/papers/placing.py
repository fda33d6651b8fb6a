"""What our runs give in the cells of a paper's table, and why a run is not shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from usb_ext.evidence.matching import belongs, one_setting
from usb_ext.evidence.scores import score
from usb_ext.functional.spread import MeanAndSpread, mean_and_spread
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.names import wanted
from usb_ext.papers.tables import PublishedNumber, stated_settings


@dataclass(frozen=True)
class Ours:
    """What our runs give in a cell.

    Attributes:
        values: mean and standard deviation, in the cell's unit.
        seeds: training seeds of the runs, ascending; empty for the mean of a row.
        differs: in what the runs differ from what the paper states, or "".
    """

    values: MeanAndSpread
    seeds: tuple[int, ...]
    differs: str


@dataclass
class Placed:
    """Our runs in a table.

    Attributes:
        ours: what stands in a cell, by its position among the cells.
        left_out: of each run that is not shown the reason.
    """

    ours: dict[int, Ours] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)


def place(
    cells: Sequence[PublishedNumber], runs: Sequence[FoundRun], which: str, ddof: int = 1
) -> Placed:
    """Put runs into the cells they belong to.

    Args:
        cells: the cells of one table.
        runs: what was found; unfinished runs and runs that fit no cell are left out.
        which: the weights that count, one of `scores.WHICH`.
        ddof: as in `spread.mean_and_spread`.
    """
    placed = Placed()
    used: set[Path] = set()
    finished = [run for run in runs if run.unfinished is None]
    reasons = {run.path: f"no cell of the table is {_what(run)}" for run in finished}
    for number, cell in enumerate(cells):
        fitting = {run.path: run for run in finished if belongs(run, cell)}
        values = {path: score(run, cell, which) for path, run in fitting.items()}
        reasons.update((p, _no_score(cell, which)) for p, value in values.items() if value is None)
        kept, others = one_setting([fitting[p] for p, value in values.items() if value is not None])
        reasons.update(others)
        if kept:
            shares = mean_and_spread([values[run.path] or 0.0 for run in kept], ddof=ddof)
            seeds = tuple(sorted(int(run.settings["seed"]) for run in kept))
            placed.ours[number] = Ours(shares, seeds, differences(kept[0], cell))
            used.update(run.path for run in kept)
    placed.left_out = {run.path: run.unfinished for run in runs if run.unfinished}
    placed.left_out.update((p, why) for p, why in reasons.items() if p not in used)
    placed.ours.update(_averages(cells, placed.ours))
    return placed


def differences(run: FoundRun, cell: PublishedNumber) -> str:
    """In what a run differs from what the paper states for a cell, one item a setting.

    Args:
        run: one of the cell's runs.
        cell: the cell.
    """
    want = wanted(cell)
    own = dict(want.stated) if want else {}
    unlabelled = int(run.settings["batch_size"]) * int(run.settings["uratio"])
    settings = {**run.settings, "unlabelled_batch": unlabelled}
    items = [want.remark] if want and want.remark else []
    for name, value in {**stated_settings(cell.table, cell.dataset), **own}.items():
        if settings.get(name) != value:
            items.append(f"{name} {settings.get(name)} (paper: {value})")
    return ", ".join(items)


def _averages(cells: Sequence[PublishedNumber], ours: dict[int, Ours]) -> dict[int, Ours]:
    """The mean of each row of which every other cell is filled, as LayerMatch, Tables 1 and 2, print."""
    found = {}
    for number, cell in enumerate(cells):
        if cell.dataset != "Average":
            continue
        row = [n for n, c in enumerate(cells) if c.method == cell.method and c is not cell]
        if all(n in ours for n in row):
            mean = mean_and_spread([ours[n].values.mean for n in row]).mean
            found[number] = Ours(MeanAndSpread(mean, None, 1), (), "")
    return found


def _no_score(cell: PublishedNumber, which: str) -> str:
    return f"its result.json holds no {cell.metric} for the weights that count ({which})"


def _what(run: FoundRun) -> str:
    record = run.record
    parts = " + ".join([record["base"] or "", *record["extensions"]]).strip(" +")
    name = record["algorithm"] + (f" ({parts})" if parts not in ("", record["algorithm"]) else "")
    return f"{name} on {record['dataset']} with {record['num_labels']} labels"
