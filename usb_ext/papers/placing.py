"""What our runs give in the cells of a paper's table, and why a run is not shown.

Whether a run belongs to a cell of a paper's table, and which runs of a cell may be averaged.

A run belongs to a cell by method, data set and number of labels. Its network, its iterations and what
else the paper states may differ: `placing` names what differs.

A run's number in the terms of a paper's table: which weights, and accuracy, error or F1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from usb_ext.comparison.statistics import MeanAndSpread, mean_and_spread
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.names import DATASETS, Wanted, wanted
from usb_ext.papers.tables import PublishedNumber, stated_settings


def belongs(run: FoundRun, cell: PublishedNumber) -> bool:
    """Whether a finished run is of the cell's method, data set and number of labels.

    Args:
        run: what was found.
        cell: a cell of a table.
    """
    want, record = wanted(cell), run.record
    if want is None or record["dataset"] not in DATASETS.get(cell.dataset, ()):
        return False
    if cell.num_labels is None or record["num_labels"] != cell.num_labels:
        return False
    return _is_method(run, want)


def _is_method(run: FoundRun, want: Wanted) -> bool:
    """A run through USB's own class has no base in its record: there the algorithm's name decides."""
    record = run.record
    named = not want.algorithms or record["algorithm"] in want.algorithms
    based = record["base"] == want.base or (record["base"] is None and bool(want.algorithms))
    plain = set(record["extensions"]) == want.extensions and run.settings["imb_algorithm"] is None
    required = all(run.settings.get(name) == value for name, value in want.required.items())
    return named and based and plain and required


def one_setting(runs: Sequence[FoundRun]) -> tuple[list[FoundRun], dict[Path, str]]:
    """Of the runs of a cell those that differ in their seeds alone, each seed once.

    ours: where there are several such groups, the one with most runs, and of equals the first, since a
    mean over different settings is none.

    Args:
        runs: finished runs of one cell.

    Returns:
        The runs to show, and of every other run the reason.
    """
    groups: list[list[FoundRun]] = []
    repeated: dict[Path, str] = {}
    for run in runs:
        group = next((g for g in groups if g[0].but_seeds() == run.but_seeds()), None)
        if group is None:
            groups.append([run])
        elif twin := next((other for other in group if other.fold == run.fold), None):
            repeated[run.path] = f"the same settings and seed as {twin.path}"
        else:
            group.append(run)
    if not groups:
        return [], {}
    kept = max(groups, key=len)
    others = {run.path: _other(run, kept[0]) for g in groups if g is not kept for run in g}
    return kept, repeated | others


def _other(run: FoundRun, kept: FoundRun) -> str:
    mine, theirs = run.but_seeds(), kept.but_seeds()
    keys = [f"{n} {mine[n]} against {theirs[n]}" for n in mine if mine[n] != theirs[n]]
    return f"its settings are not those of {kept.path}: {', '.join(keys[:3])}"


WHICH = ("paper", "last", "best", "median20")
"""`paper` is what the paper says for the cell (AS3L, Table 2: the median of the last 20), else `last`."""

MEDIAN = "median of the last 20"


def score(run: FoundRun, cell: PublishedNumber, which: str) -> float | None:
    """What a run gives for a cell, in the cell's unit.

    Args:
        run: a finished run.
        cell: the cell; its metric is a top-1 accuracy, a test error or an F1, all in percent.
        which: one of `WHICH`.

    Returns:
        The number, or None where the record does not hold it. Where the run has a test split apart
        from the evaluation split, the number is of the test split.
    """
    if which == "paper":
        which = {"": "last", MEDIAN: "median20"}.get(cell.checkpoint, "")
    if cell.metric == "F1":
        return _percent(run, "f1_last" if which == "last" else "")
    top1 = _percent(run, _field(run, which))
    if top1 is None or cell.metric not in ("top-1 accuracy", "test error"):
        return None
    return top1 if cell.metric == "top-1 accuracy" else 100 - top1


def _field(run: FoundRun, which: str) -> str:
    """Name of the accuracy in `result.json`; a separate test split has no median over checkpoints."""
    return f"{'test_' if run.record.get('test_top1_last') is not None else ''}top1_{which}"


def _percent(run: FoundRun, name: str) -> float | None:
    value = run.record.get(name)
    return None if value is None else 100 * float(value)


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
