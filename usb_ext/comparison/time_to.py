"""Steps and seconds until a run first reaches an accuracy.

The target is an accuracy, or the last accuracy of another method's run on the same fold (AS3L reports
the time to its baseline's accuracy). A run reaches it at its first evaluation that is as good, so
`num_eval_iter` is the resolution; what never reaches it is counted and in no mean.
"""

import statistics
from typing import Any

from usb_ext.comparison.entries import Grid
from usb_ext.comparison.plan import Fold
from usb_ext.comparison.records import Record, percent_error


def time_to(grid: Grid, target: float | str) -> dict[str, Any]:
    """When each run reached the target, and per method how many did and how fast.

    Args:
        grid: the runs of one label count.
        target: an accuracy, or the label of a method of the grid.

    Returns:
        JSON values; steps and seconds are None where the target was never reached.
    """
    if isinstance(target, str) and target not in grid.methods:
        return {"num_labels": grid.num_labels, "target": target, "methods": {}}
    found = {m: [_reached(grid, m, fold, target) for fold in grid.folds] for m in grid.methods}
    methods = {m: {"runs": runs, **_short(runs)} for m, runs in found.items()}
    return {"num_labels": grid.num_labels, "target": target, "methods": methods}


def _reached(grid: Grid, method: str, fold: Fold, target: float | str) -> dict[str, Any]:
    """One run: the wanted error in percent, and step and seconds of the first one as small."""
    other = grid.records[target, fold] if isinstance(target, str) else None
    wanted = _last_evaluated(other) if other else percent_error(float(target))
    rows = grid.records[method, fold].evaluations
    hit = next(((it, sec) for it, sec, share in rows if percent_error(share) <= wanted), None)
    run: dict[str, Any] = {"fold": str(fold), "error": wanted, "steps": None, "seconds": None}
    if hit is not None:
        run |= {"steps": hit[0], "seconds": hit[1]}
    total = other.evaluations[-1][0] if other and other.evaluations else None
    run["share_of_steps"] = round(hit[0] / total, 6) if hit and total else None
    return run


def _last_evaluated(record: Record) -> float:
    """Error of the last evaluation, which is what a run's evaluations are held against."""
    return percent_error(record.evaluations[-1][2]) if record.evaluations else 0.0


def _short(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many runs reached the target, and the means over those."""
    hits = [run for run in runs if run["steps"] is not None]
    short: dict[str, Any] = {"n": len(runs), "reached": len(hits)}
    for key in ("steps", "seconds", "share_of_steps"):
        values = [run[key] for run in hits if run[key] is not None]
        short[f"mean_{key}"] = round(statistics.fmean(values), 6) if values else None
    return short
