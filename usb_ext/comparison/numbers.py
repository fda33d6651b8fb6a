"""The numbers of a comparison: per method its spread, and its gain over the first method."""

from dataclasses import asdict
from typing import Any

from usb_ext.comparison.entries import Grid
from usb_ext.comparison.records import METRICS
from usb_ext.comparison.statistics import gains, signed_rank, summarise


def compare_methods(grid: Grid) -> dict[str, Any]:
    """Everything about one label count, as JSON values.

    Args:
        grid: the runs.

    Returns:
        `num_labels`, `folds`, `absent`, and per metric and method `errors` (percent, one a fold),
        `summary`, and for all but the first method `gain` over it (percentage points, positive is
        better; Smooth Pseudo-Labeling, Table 7).
    """
    metrics = {metric: _by_method(grid, metric) for metric in METRICS} if grid.folds else {}
    folds = [{"label_seed": f.label_seed, "seed": f.seed, "name": str(f)} for f in grid.folds]
    return {
        "num_labels": grid.num_labels,
        "first": grid.methods[0] if grid.methods else None,
        "methods": list(grid.methods),
        "absent": list(grid.absent),
        "folds": folds,
        "metrics": metrics,
    }


def _by_method(grid: Grid, metric: str) -> dict[str, Any]:
    """Errors, spread and gain of each method by one metric."""
    first = grid.errors(grid.methods[0], metric)
    found: dict[str, Any] = {}
    for method in grid.methods:
        errors = grid.errors(method, metric)
        found[method] = {"errors": errors, "summary": asdict(summarise(errors))}
        if method != grid.methods[0]:
            found[method]["gain"] = gain(first, errors)
    return found


def gain(before: list[float], after: list[float]) -> dict[str, Any]:
    """How much the error falls from one list of runs to its partner, run by run.

    Args:
        before: n errors in percent.
        after: n errors of the partners.

    Returns:
        `values`, `summary`, how many are better, equal and worse, and the signed-rank `test`.
    """
    values = gains(before, after)
    return {
        "values": list(values),
        "summary": asdict(summarise(values)),
        "better": sum(value > 0 for value in values),
        "equal": sum(value == 0 for value in values),
        "worse": sum(value < 0 for value in values),
        "test": asdict(signed_rank(values)),
    }
