"""Tables beside those by fold: all label counts together, a method's own other runs, instability."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from usb_ext.comparison.tables import (
    NONE,
    TITLES,
    Table,
    holm_value,
    number,
    p_value,
    shows_holm,
    signed,
)


def pooled_table(pooled: Mapping[str, Any], metric: str) -> Table:
    """Gains over the first method on all folds of all label counts (Smooth Pseudo-Labeling, Sec. 4.4).

    Args:
        pooled: from `numbers.pooled`, with gains.
        metric: one of TITLES.
    """
    found: Mapping[str, Any] = pooled["metrics"][metric]
    rows = _gain_columns(list(found.values()))
    what = f"gain over {pooled['first']} of the {TITLES[metric]}"
    title = f"All label counts together: {what} (percentage points)"
    note = "a training seed counts once for each label count"
    return Table(title, ["", *found], rows, note=note)


def _gain_columns(gains: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Rows of what is said of gains, a column each."""

    def row(label: str, cell: Any) -> list[str]:
        return [label, *(cell(gain) for gain in gains)]

    rows = [
        row("pairs", lambda g: str(len(g["values"]))),
        row("gain, mean", lambda g: signed(g["summary"]["mean"])),
        row("std of the gain", lambda g: number(g["summary"]["std"])),
        row("least gain", lambda g: signed(g["summary"]["minimum"])),
        row("greatest gain", lambda g: signed(g["summary"]["maximum"])),
        row("better / equal / worse", lambda g: f"{g['better']} / {g['equal']} / {g['worse']}"),
    ]
    sides = (("greater", "greater"), ("less", "less"), ("two_sided", "two-sided"))
    rows += [row(f"p, {name}", lambda g, s=side: p_value(g["test"][s])) for side, name in sides]
    if shows_holm(gains):
        rows += [
            row(f"p, {name} (Holm)", lambda g, s=side: holm_value(g, s)) for side, name in sides
        ]
    return rows


def against_table(found: Mapping[str, Any], part: Mapping[str, Any], metric: str) -> Table:
    """Each method against its own runs in another comparison (Smooth Pseudo-Labeling, Table 3).

    Args:
        found: from `against.against`.
        part: its part of one label count.
        metric: one of TITLES.
    """
    methods: Mapping[str, Any] = part["metrics"][metric]
    own = list(methods.values())
    rows = [
        [f"error in {found['name']}", *(number(one["there"]) for one in own)],
        ["error here", *(number(one["here"]) for one in own)],
        *_gain_columns([one["gain"] for one in own]),
    ]
    title = (
        f"{part['num_labels']} labels: gain of each method over its own runs in {found['name']}, error (%) "
        f"of the {TITLES[metric]}"
    )
    note = "a gain below 0 is a drop: the error rose; p, less: that it rose"
    return Table(title, ["", *methods], rows, 2, note)


def instability_table(part: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> Table | None:
    """How far accuracy fell below its running best, and how far it ended below (Sec. 4.3.4 and 4.4).

    Args:
        part: of one label count, from `numbers.compare_methods`.
        runs: rows of the runs, from `report.run_row`.

    Returns:
        The table; None where no run says anything of it.
    """
    own = [r for r in runs if r["used"] and r["num_labels"] == part["num_labels"]]
    if all(run.get("largest_drop") is None for run in own):
        return None
    rows = [_drops(m, [r for r in own if r["method"] == m]) for m in part["methods"]]
    header = ["method", "largest drop", "greatest", "label seed, seed", "from step", "to step"]
    header += ["classes emptied then", "last above best", "greatest"]
    title = f"{part['num_labels']} labels: instability in training, percentage points"
    note = (
        "largest drop of a run: of accuracy below its running best; last above best: error of the last "
        "checkpoint minus the best's; means over the folds, and the greatest of them"
    )
    return Table(title, header, rows, note=note)


def _drops(method: str, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The row of a method; runs whose record says nothing of it are not counted."""
    told = [run for run in runs if run["largest_drop"] is not None]
    if not told:
        return [method, *(NONE for _ in range(8))]
    worst = max(told, key=lambda run: float(run["largest_drop"]))
    late = [float(run["error_last"]) - float(run["error_best"]) for run in told]
    dropped = worst["largest_drop"] > 0
    emptied = " ".join(map(str, worst["emptied_classes"] or ()))
    where = [
        f"{worst['label_seed']}, {worst['seed']}",
        str(worst["drop_from"]),
        str(worst["drop_to"]),
    ]
    return [
        method,
        number(fmean(float(run["largest_drop"]) for run in told)),
        number(worst["largest_drop"]),
        *(where if dropped else (NONE,) * 3),
        emptied or NONE,
        number(fmean(late)),
        number(max(late)),
    ]
