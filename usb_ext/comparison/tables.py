"""The tables of a comparison, as text cells, before they become Markdown or LaTeX.

The tables over several label counts, and of the time to an accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TITLES = {
    "last": "last checkpoint",
    "best": "best checkpoint",
    "median20": "median of the last 20 evaluations",
}
"""Per metric of the records, what its error is the error of."""

NONE = "-"


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: what it shows, with the unit.
        header: names of the columns.
        rows: one list of cells a row, as many as the header has.
        rule_after: number of rows after which a line is drawn (folds above, statistics below).
        note: what has to be said below it; may be empty.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    rule_after: int = 0
    note: str = ""


def fold_table(part: Mapping[str, Any], metric: str) -> Table:
    """Errors by fold and method with spread, gain and test below (Smooth Pseudo-Labeling, Table 7).

    A method without any usable run has a column too, and the note says what became of its runs.

    Args:
        part: of one label count, from `numbers.compare_methods`.
        metric: one of TITLES.
    """
    by_method = part["metrics"].get(metric, {})
    names = list(by_method)
    columns = [by_method[name] for name in names]
    folds = [fold["name"] for fold in part["folds"]]
    rows = [[f, *(number(c["errors"][i]) for c in columns)] for i, f in enumerate(folds)]
    for key in ("mean", "std", "two_sigma", "minimum", "maximum"):
        label = key.replace("two_sigma", "2 sigma")
        rows.append([label, *(number(c["summary"][key]) for c in columns)])
    if len(names) > 1:
        rows += _gain_rows(part["first"], [c.get("gain") for c in columns])
    absent = part["absent"]
    rows = [[*row, *(NONE for _ in absent)] for row in rows]
    notes = [*filter(None, [_notes(by_method)]), *(f"{m}: {why}" for m, why in absent.items())]
    title = f"{part['num_labels']} labels: error (%) of the {TITLES[metric]}"
    return Table(title, ["fold", *names, *absent], rows, len(folds), "; ".join(notes))


def _gain_rows(first: str, found: Sequence[Mapping[str, Any] | None]) -> list[list[str]]:
    """The rows about the gain over the first method, whose own column stays empty."""

    def row(label: str, cell: Any) -> list[str]:
        return [label, *(NONE if gain is None else cell(gain) for gain in found)]

    return [
        row(f"gain over {first}", lambda g: signed(g["summary"]["mean"])),
        row("std of the gain", lambda g: number(g["summary"]["std"])),
        row("better / equal / worse", lambda g: f"{g['better']} / {g['equal']} / {g['worse']}"),
        row("p, greater", lambda g: p_value(g["test"]["greater"])),
        row("p, less", lambda g: p_value(g["test"]["less"])),
        row("p, two-sided", lambda g: p_value(g["test"]["two_sided"])),
        *(
            [
                row("p, greater (Holm)", lambda g: holm_value(g, "greater")),
                row("p, less (Holm)", lambda g: holm_value(g, "less")),
                row("p, two-sided (Holm)", lambda g: holm_value(g, "two_sided")),
            ]
            if shows_holm(found)
            else []
        ),
    ]


def _notes(by_method: Mapping[str, Any]) -> str:
    """What the tests have to say, each note once with the methods that it is about."""
    said: dict[str, list[str]] = {}
    for name, values in by_method.items():
        if note := values.get("gain", {}).get("test", {}).get("note"):
            said.setdefault(note, []).append(name)
    return "; ".join(f"{', '.join(names)}: {note}" for note, names in said.items())


def collapsed_table(part: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> Table:
    """Classes that a run (almost) never predicts, which explain bad runs (Sec. 4.1).

    Args:
        part: of one label count.
        runs: rows of the runs, from `report.run_row`.
    """
    cells = {
        (run["method"], run["label_seed"], run["seed"]): run["collapsed_classes"]
        for run in runs
        if run["num_labels"] == part["num_labels"]
    }
    rows = [
        [f["name"], *(_classes(cells[m, f["label_seed"], f["seed"]]) for m in part["methods"])]
        for f in part["folds"]
    ]
    return Table(
        f"{part['num_labels']} labels: collapsed classes", ["fold", *part["methods"]], rows
    )


def _classes(collapsed: Sequence[int] | None) -> str:
    return " ".join(map(str, collapsed)) if collapsed else NONE


def left_out_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The runs that no mean contains."""
    keys = ("method", "num_labels", "label_seed", "seed", "reason")
    header = ["method", "labels", "label seed", "seed", "reason"]
    return Table("Left out", header, [[str(row[key]) for key in keys] for row in rows])


def number(value: float | None, decimals: int = 2) -> str:
    """A number with fixed decimals; a dash for None."""
    return NONE if value is None else f"{value:.{decimals}f}"


def signed(value: float | None) -> str:
    """A number of two decimals with its sign."""
    return NONE if value is None else f"{value:+.2f}"


def p_value(value: float | None) -> str:
    """A p-value: four decimals, or a power of ten where they would be zero."""
    if value is None:
        return NONE
    return f"{value:.4f}" if value >= 1e-3 else f"{value:.1e}"


def holm_value(gain: Mapping[str, Any], side: str) -> str:
    """A gain's p-value of one side after Holm's correction, as text."""
    return p_value(gain["test"]["holm"][side])


def shows_holm(found: Sequence[Mapping[str, Any] | None]) -> bool:
    """Whether these gains' p-values are some of several, so that the corrected ones are other numbers."""
    return any(gain is not None and gain["test"].get("family", 0) > 1 for gain in found)


def overview_table(parts: Sequence[Mapping[str, Any]], metric: str) -> Table:
    """Mean and std by method and label count, gain and p below (Smooth Pseudo-Labeling, Table 5).

    Args:
        parts: one for each label count, from `numbers.compare_methods`.
        metric: one of TITLES.
    """
    methods = list(dict.fromkeys(m for p in parts for m in (*p["methods"], *p["absent"])))
    rows = []
    for method in methods:
        found = [part["metrics"].get(metric, {}).get(method) for part in parts]
        failed = [part["absent"].get(method, "").partition(":")[0] for part in parts]
        rows.append([method, *(why or _spread(v) for why, v in zip(failed, found, strict=True))])
        gains = [None if values is None else values.get("gain") for values in found]
        if any(gains):
            means = [NONE if g is None else signed(g["summary"]["mean"]) for g in gains]
            p_values = [NONE if g is None else p_value(g["test"]["greater"]) for g in gains]
            rows += [[f"{method}: gain", *means], [f"{method}: p, greater", *p_values]]
            if shows_holm(gains):
                corrected = [NONE if g is None else holm_value(g, "greater") for g in gains]
                rows.append([f"{method}: p, greater (Holm)", *corrected])
    rows.append(["folds", *(str(len(part["folds"])) for part in parts)])
    header = ["labels", *(str(part["num_labels"]) for part in parts)]
    title = f"Error (%) of the {TITLES[metric]} by number of labels, mean and std"
    return Table(title, header, rows)


def _spread(values: Mapping[str, Any] | None) -> str:
    if values is None:
        return NONE
    summary = values["summary"]
    std = "" if summary["std"] is None else f" ± {number(summary['std'])}"
    return number(summary["mean"]) + std


def steps_table(steps: Sequence[Mapping[str, Any]], metric: str) -> Table:
    """Each method's p-value of each step to more labels (Smooth Pseudo-Labeling, Table 6).

    Args:
        steps: from `monotonicity.monotonicity`.
        metric: one of TITLES.
    """
    columns = list(dict.fromkeys((step["from"], step["to"]) for step in steps))
    by_cell = {(s["method"], s["from"], s["to"]): s["metrics"].get(metric) for s in steps}
    rows = []
    for method in dict.fromkeys(step["method"] for step in steps):
        found = [by_cell[(method, *column)] for column in columns]
        rows += [
            [f"{method}: gain", *_cells(found, lambda g: signed(g["summary"]["mean"]))],
            [f"{method}: worse / folds", *_cells(found, lambda g: f"{g['worse']} / {_n(g)}")],
            [f"{method}: p, helped", *_cells(found, lambda g: p_value(g["test"]["greater"]))],
            [f"{method}: p, hurt", *_cells(found, lambda g: p_value(g["test"]["less"]))],
        ]
        if shows_holm(found):
            rows += [
                [f"{method}: p, helped (Holm)", *_cells(found, lambda g: holm_value(g, "greater"))],
                [f"{method}: p, hurt (Holm)", *_cells(found, lambda g: holm_value(g, "less"))],
            ]
    header = ["labels", *(f"{fewer} to {more}" for fewer, more in columns)]
    note = (
        "p, helped: Wilcoxon, one-sided, that the error fell (small is good); p, hurt: that it rose"
    )
    title = f"More labels, run by run: error of the {TITLES[metric]} (percentage points)"
    return Table(title, header, rows, note=note)


def _cells(found: Sequence[Mapping[str, Any] | None], cell: Any) -> list[str]:
    return [NONE if gain is None else cell(gain) for gain in found]


def _n(gain: Mapping[str, Any]) -> int:
    return len(gain["values"])


def time_table(part: Mapping[str, Any]) -> Table:
    """How many runs of each method reached the target, and how fast (from `time_to.time_to`)."""
    target = part["target"]
    wanted = f"the last accuracy of {target}" if isinstance(target, str) else f"accuracy {target:g}"
    rows = [
        [
            method,
            f"{found['reached']} of {found['n']}",
            number(found["mean_steps"], 0),
            number(found["mean_seconds"], 1),
            number(found["mean_share_of_steps"]),
            " ".join(NONE if run["steps"] is None else str(run["steps"]) for run in found["runs"]),
        ]
        for method, found in part["methods"].items()
    ]
    header = ["method", "reached", "steps", "seconds", "share of its steps", "steps by fold"]
    note = "means over the runs that reached it; - never reached it"
    return Table(f"{part['num_labels']} labels: time to {wanted}", header, rows, note=note)
