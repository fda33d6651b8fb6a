"""Whether a run belongs to a cell of a paper's table, and which runs of a cell may be averaged.

A run belongs to a cell by method, data set and number of labels. Its network, its iterations and what
else the paper states may differ: `placing` names what differs.
"""

from collections.abc import Sequence
from pathlib import Path

from usb_ext.papers.found_runs import SEEDS, FoundRun
from usb_ext.papers.names import DATASETS, Wanted, wanted
from usb_ext.papers.tables import PublishedNumber


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
        elif twin := next((other for other in group if _seeds(other) == _seeds(run)), None):
            repeated[run.path] = f"the same settings and seed as {twin.path}"
        else:
            group.append(run)
    if not groups:
        return [], {}
    kept = max(groups, key=len)
    others = {run.path: _other(run, kept[0]) for g in groups if g is not kept for run in g}
    return kept, repeated | others


def _seeds(run: FoundRun) -> tuple[object, ...]:
    return tuple(run.settings[name] for name in SEEDS)


def _other(run: FoundRun, kept: FoundRun) -> str:
    mine, theirs = run.but_seeds(), kept.but_seeds()
    keys = [f"{n} {mine[n]} against {theirs[n]}" for n in mine if mine[n] != theirs[n]]
    return f"its settings are not those of {kept.path}: {', '.join(keys[:3])}"
