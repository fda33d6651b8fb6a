"""What our runs give in the cells of a paper's table, and why a run is not shown.

Whether a run belongs to a cell of a paper's table, and which runs of a cell may be averaged.

A run belongs to a cell by method, data set and number of labels; `protocol.py` says whether it keeps the
table's protocol and in what it differs.

A run's number in the terms of a paper's table: which weights, and accuracy, error, F1 or hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from usb_ext.comparison.records import Record, read_record
from usb_ext.comparison.statistics import MeanAndSpread, mean_and_spread
from usb_ext.core.files import RunFolder
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.names import DATASETS, wanted
from usb_ext.papers.protocol import Verdict, facts_of, judge
from usb_ext.papers.tables import PublishedNumber
from usb_ext.papers.wanted import Wanted, fits

IMAGENET_IMAGES = 1_281_167
"""Training images of ImageNet-1k, of which AS3L, Table 4, labels a share."""

NEAR = 0.01
"""ours: how far, relative to it, a number of labels may lie from a share that is printed with one digit."""


def belongs(run: FoundRun, cell: PublishedNumber) -> bool:
    """Whether a finished run is of the cell's method, data set and number of labels.

    Args:
        run: what was found.
        cell: a cell of a table.
    """
    want, record = wanted(cell), run.record
    if want is None or record["dataset"] not in DATASETS.get(cell.dataset, ()):
        return False
    return _has_labels(record["num_labels"], cell) and _is_method(run, want)


def _has_labels(number: int, cell: PublishedNumber) -> bool:
    """A number, a share of ImageNet's images, or any where the paper says none for a number that we have."""
    if cell.labels.endswith("%"):
        share = float(cell.labels.removesuffix("%")) / 100
        return abs(number / (share * IMAGENET_IMAGES) - 1) < NEAR
    return number == cell.num_labels or (cell.labels == "" and cell.metric in METRICS)


def _is_method(run: FoundRun, want: Wanted) -> bool:
    """A run through USB's own class has no base in its record: there the algorithm's name decides."""
    record = run.record
    named = not want.algorithms or record["algorithm"] in want.algorithms
    based = record["base"] == want.base or (record["base"] is None and bool(want.algorithms))
    own = set(record["extensions"]) - (want.optional - want.extensions)
    plain = own == want.extensions and run.settings["imb_algorithm"] is None
    if not (named and based and plain):
        return False
    facts = facts_of(run)
    return all(fits(facts.get(name), value) for name, value in want.required.items())


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
HOURS = "time on one RTX 3090"
LAST = {"F1": "f1_last", "top-5 accuracy": "top5_last", "validation error": "val_top1_last"}
"""Metrics that a record holds of the last weights alone, and where."""

METRICS = ("top-1 accuracy", "test error", HOURS, *LAST)
"""Those that a run gives."""


def score(
    run: FoundRun, cell: PublishedNumber, which: str, rivals: Sequence[FoundRun] = ()
) -> float | None:
    """What a run gives for a cell, in the cell's unit.

    Args:
        run: a finished run.
        cell: the cell; its metric is one of `METRICS`.
        which: one of `WHICH`.
        rivals: runs whose last accuracy is to be reached, where the cell is a time until that.

    Returns:
        The number, or None where the record does not hold it. Where the run has a test split apart
        from the evaluation split, the number is of the test split.
    """
    if which == "paper":
        which = {"": "last", MEDIAN: "median20"}.get(cell.checkpoint, "")
    if cell.metric == HOURS:
        return _hours(run, cell, rivals)
    if cell.metric in LAST:
        value = _percent(run, _last_field(run, cell.metric) if which == "last" else "")
    else:
        value = _percent(run, _field(run, which)) if cell.metric in METRICS else None
    return 100 - value if value is not None and cell.metric.endswith("error") else value


def _last_field(run: FoundRun, metric: str) -> str:
    """The top-5 accuracy is of the separate test split, where there is one, as the top-1 accuracy is."""
    apart = metric == "top-5 accuracy" and run.record.get("test_top1_last") is not None
    return f"{'test_' if apart else ''}{LAST[metric]}"


def _hours(run: FoundRun, cell: PublishedNumber, rivals: Sequence[FoundRun]) -> float | None:
    """A whole training, or the time until the last accuracy of the rival on the same seed and labels."""
    if cell.note == "whole training":
        seconds = run.record.get("seconds")
        return None if seconds is None else float(seconds) / 3600
    same = ("seed", "num_labels")
    twins = (r for r in rivals if all(r.record[name] == run.record[name] for name in same))
    target = next((twin.record.get("top1_last") for twin in twins), None)
    record = read_record(RunFolder(run.path))
    if target is None or not isinstance(record, Record):
        return None
    return next((s / 3600 for _, s, accuracy in record.evaluations if accuracy >= target), None)


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
        judged = _judged(finished, cell)
        reasons.update((r.path, _broken(cell, v)) for r, v in judged if v.broken)
        fitting = {run.path: run for run, verdict in judged if not verdict.broken}
        rivals = _rivals(cells, cell, finished)
        values = {path: score(run, cell, which, rivals) for path, run in fitting.items()}
        reasons.update((p, _no_score(cell, which)) for p, value in values.items() if value is None)
        kept, others = one_setting([fitting[p] for p, value in values.items() if value is not None])
        reasons.update(others)
        if kept:
            shares = mean_and_spread([values[run.path] or 0.0 for run in kept], ddof=ddof)
            seeds = tuple(sorted(int(run.settings["seed"]) for run in kept))
            verdict = next(v for run, v in judged if run is kept[0])
            placed.ours[number] = Ours(shares, seeds, _differences(kept[0], cell, verdict))
            used.update(run.path for run in kept)
    placed.left_out = {run.path: run.unfinished for run in runs if run.unfinished}
    placed.left_out.update((p, why) for p, why in reasons.items() if p not in used)
    placed.ours.update(_averages(cells, placed.ours))
    return placed


def _judged(runs: Sequence[FoundRun], cell: PublishedNumber) -> list[tuple[FoundRun, Verdict]]:
    """The runs of a cell's method, data set and number of labels, each with the protocol's verdict."""
    want = wanted(cell)
    if want is None:
        return []
    return [(run, judge(run, cell, want)) for run in runs if belongs(run, cell)]


def _broken(cell: PublishedNumber, verdict: Verdict) -> str:
    return f"it is not {cell.method} as {cell.table} has it: {', '.join(verdict.broken)}"


def _rivals(
    cells: Sequence[PublishedNumber], cell: PublishedNumber, runs: Sequence[FoundRun]
) -> list[FoundRun]:
    """Runs of the row whose accuracy is to be reached (AS3L, Table 3: SelfMatch's)."""
    if cell.metric != HOURS:
        return []
    whole = [c for c in cells if c.dataset == cell.dataset and c.note == "whole training"]
    return [r for c in whole for r, verdict in _judged(runs, c) if not verdict.broken]


def _differences(run: FoundRun, cell: PublishedNumber, verdict: Verdict) -> str:
    """In what a run differs, one item a setting; a time is that of the run's own hardware."""
    hardware = [f"on {run.record.get('device')}"] if cell.metric == HOURS else []
    return ", ".join([*hardware, *verdict.differs])


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
    chosen = "" if run.selection == "per_class" else f" chosen by {run.selection}"
    return f"{name} on {record['dataset']} with {record['num_labels']} labels{chosen}"
