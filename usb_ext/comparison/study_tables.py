"""The tables over several label counts, and of the time to an accuracy."""

from collections.abc import Mapping, Sequence
from typing import Any

from usb_ext.comparison.tables import NONE, TITLES, Table, number, p_value, signed


def overview_table(parts: Sequence[Mapping[str, Any]], metric: str) -> Table:
    """Mean and std by method and label count, gain and p below (Smooth Pseudo-Labeling, Table 5).

    Args:
        parts: one for each label count, from `numbers.compare_methods`.
        metric: one of TITLES.
    """
    methods = list(dict.fromkeys(name for part in parts for name in part["methods"]))
    rows = []
    for method in methods:
        found = [part["metrics"].get(metric, {}).get(method) for part in parts]
        rows.append([method, *(_spread(values) for values in found)])
        gains = [None if values is None else values.get("gain") for values in found]
        if any(gains):
            means = [NONE if g is None else signed(g["summary"]["mean"]) for g in gains]
            p_values = [NONE if g is None else p_value(g["test"]["greater"]) for g in gains]
            rows += [[f"{method}: gain", *means], [f"{method}: p, greater", *p_values]]
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
