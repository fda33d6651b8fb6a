"""The numbers of a comparison: per method its spread, and its gain over the first method.

Whether more labels help: the steps from one label count to the next, per method.

Smooth Pseudo-Labeling, Sec. 4.5 and Table 6: a method should do worse on the larger labelled set only
with a small probability. Each step n -> n' pairs the folds of the same seeds; `greater` is the p-value
for the error having decreased (Table 6: small is good), `less` the p-value for its having increased,
that is, that adding labels hurt. The folds of a seed are nested with `label_split: random`.

All gains over the first method together (Sec. 4.4), and Holm's correction of every p-value.

Steps and seconds until a run first reaches an accuracy.

The target is an accuracy, or the last accuracy of another method's run on the same fold (AS3L reports
the time to its baseline's accuracy). A run reaches it at its first evaluation that is as good, so
`num_eval_iter` is the resolution; what never reaches it is counted and in no mean.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from usb_ext.comparison.entries import Entry, Grid
from usb_ext.comparison.plan import Fold
from usb_ext.comparison.records import METRICS, Record, percent_error
from usb_ext.comparison.statistics import gains, holm, signed_rank, summarise


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
        "absent": dict(grid.absent),
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
    return gain_of(gains(before, after))


def gain_of(values: Sequence[float]) -> dict[str, Any]:
    """What is said of run-by-run gains.

    Args:
        values: n >= 1 gains in percentage points.

    Returns:
        As `gain`.
    """
    return {
        "values": list(values),
        "summary": asdict(summarise(values)),
        "better": sum(value > 0 for value in values),
        "equal": sum(value == 0 for value in values),
        "worse": sum(value < 0 for value in values),
        "test": asdict(signed_rank(values)),
    }


def pooled(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Each method's gains over the first one on all folds of all label counts (Sec. 4.4).

    ours: a training seed at several label counts counts as several pairs, as every experiment does there.

    Args:
        parts: from `compare_methods`, one a label count.

    Returns:
        `first`, and per metric and method the gain as in `gain`; no metrics for fewer than two label counts
        with folds, or where these have not the same first method.
    """
    whole = [part for part in parts if part["folds"]]
    firsts = {part["first"] for part in whole}
    found: dict[str, Any] = {}
    for metric in METRICS if len(whole) > 1 and len(firsts) == 1 else ():
        values: dict[str, list[float]] = {}
        for part in whole:
            for method, own in part["metrics"][metric].items():
                if "gain" in own:
                    values.setdefault(method, []).extend(own["gain"]["values"])
        found[metric] = {method: gain_of(own) for method, own in values.items()}
    return {"first": whole[0]["first"] if whole else None, "metrics": found}


SIDES = ("greater", "less", "two_sided")
"""The p-values of a test."""


def correct(made: Iterable[dict[str, Any]]) -> None:
    """Add Holm's p-values to gains whose tests answer one question, each side for itself.

    ours: a family is what one page asks by one metric in one direction: all methods at all label counts, all
    steps to more labels of all methods, all methods pooled, or all methods against their own other runs.

    Args:
        made: gains as in `gain`; `test` gets `holm`, per side a p-value or None, and `family`, the number of
            p-values.
    """
    tests = [one["test"] for one in made]
    for test in tests:
        known = [other for other in tests if other["greater"] is not None]
        test |= {"holm": dict.fromkeys(SIDES), "family": len(known)}
    for side in SIDES:
        known = [test for test in tests if test[side] is not None]
        for test, p in zip(known, holm([test[side] for test in known]), strict=True):
            test["holm"][side] = p


def monotonicity(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """All steps of all methods, as JSON values; empty for a single label count.

    Args:
        entries: all runs of the comparison.

    Returns:
        Per method and step: `from`, `to`, `folds` (usable at both ends), per metric the gain of
        `numbers.gain`, and the error's mean at both ends over these folds.
    """
    counts = sorted({entry.num_labels for entry in entries})
    methods = dict.fromkeys(entry.method for entry in entries)
    found = {(e.method, e.num_labels, e.fold): e.record for e in entries if e.record is not None}
    return [
        _step(method, fewer, more, _pairs(found, method, fewer, more))
        for method in methods
        for fewer, more in pairwise(counts)
    ]


def _pairs(
    found: dict[tuple[str, int, Fold], Record], method: str, fewer: int, more: int
) -> dict[Fold, tuple[Record, Record]]:
    """The folds that a method has at both label counts."""
    return {
        fold: (record, found[method, more, fold])
        for (name, count, fold), record in found.items()
        if (name, count) == (method, fewer) and (method, more, fold) in found
    }


def _step(
    method: str, fewer: int, more: int, pairs: dict[Fold, tuple[Record, Record]]
) -> dict[str, Any]:
    folds = [{"label_seed": f.label_seed, "seed": f.seed, "name": str(f)} for f in pairs]
    step: dict[str, Any] = {"method": method, "from": fewer, "to": more, "folds": folds}
    step["metrics"] = {
        metric: gain(
            [before.errors[metric] for before, _ in pairs.values()],
            [after.errors[metric] for _, after in pairs.values()],
        )
        for metric in (METRICS if pairs else ())
    }
    return step


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
