"""A comparison as one JSON value, from which all tables are made."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from usb_ext.comparison.against import Other, against
from usb_ext.comparison.entries import Entry, Grid, identity, left_out, make_grid
from usb_ext.comparison.numbers import compare_methods, correct, monotonicity, pooled, time_to
from usb_ext.comparison.records import METRICS, percent_points


def make_report(
    entries: Sequence[Entry],
    metric: str,
    target: float | str | None,
    about: Mapping[str, Any],
    other: Other | None = None,
) -> dict[str, Any]:
    """Everything that the files of a comparison say.

    Args:
        entries: all runs, those that cannot be used with their reason.
        metric: which of the metrics leads.
        target: of the time to an accuracy, if asked for.
        about: command, methods and what else is the caller's to say; goes first.
        other: a comparison whose runs each method's own are held against, if asked for.
    """
    counts = sorted({entry.num_labels for entry in entries})
    grids = [make_grid(entries, count) for count in counts]
    parts = [compare_methods(grid) for grid in grids]
    runs = [run_row(entry, grids) for entry in entries]
    made = {
        **about,
        "metric": metric,
        "environment": environment(entries),
        "comparisons": parts,
        "pooled": pooled(parts),
        "monotonicity": monotonicity(entries),
        "against": None if other is None else against(other, runs),
        "time_to": [] if target is None else [time_to(grid, target) for grid in grids],
        "left_out": left_out(entries, grids),
        "runs": runs,
    }
    _correct(made)
    return made


def _correct(made: Mapping[str, Any]) -> None:
    """Holm's p-values: a family a question and metric (`numbers.correct`)."""
    held = (made["against"] or {"parts": []})["parts"]
    for metric in METRICS:
        by_method = [part["metrics"].get(metric, {}).values() for part in made["comparisons"]]
        correct(own["gain"] for part in by_method for own in part if "gain" in own)
        correct(step["metrics"][metric] for step in made["monotonicity"] if step["metrics"])
        correct(made["pooled"]["metrics"].get(metric, {}).values())
        correct(own["gain"] for part in held for own in part["metrics"][metric].values())


def run_row(entry: Entry, grids: Sequence[Grid]) -> dict[str, Any]:
    """One run, flat, as a row of the CSV and of the JSON."""
    grid = next(g for g in grids if g.num_labels == entry.num_labels)
    record = entry.record
    raw = record.raw if record else {}
    row = identity(entry)
    row["used"] = record is not None and entry.fold in grid.folds
    row["reason"] = entry.reason
    errors = record.errors if record else {}
    row |= {f"error_{name}": errors.get(name) for name in ("last", "best", "median20")}
    row["collapsed_classes"] = raw.get("collapsed_classes")
    row |= _instability(raw)
    labelled = raw.get("labelled") or {}
    row["class_coverage"] = labelled.get("class_coverage")
    row["classes"] = len(labelled["counts"]) if "counts" in labelled else None
    row["normalised_std"] = labelled.get("normalised_std")
    for key in ("iterations", "seconds", "it_per_s", "device", "commit", "config_sha256"):
        row[key] = raw.get(key)
    row["run"] = entry.path.name
    return row


def _instability(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The largest drop below the running best in percentage points; 0 for a run that never fell."""
    found = raw.get("instability") or {}
    drop = percent_points(found["largest_drop"]) if found else 0.0
    return {
        "largest_drop": drop if "instability" in raw else None,
        "drop_from": found.get("best_it"),
        "drop_to": found.get("it"),
        "emptied_classes": found.get("emptied_classes"),
    }


def environment(entries: Sequence[Entry]) -> dict[str, Any]:
    """Hardware, versions, commits, steps and measured split, each value that occurs once."""
    raws = [e.record.raw for e in entries if e.record is not None]
    versions: dict[str, list[str]] = {}
    for raw in raws:
        for name, version in raw.get("versions", {}).items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    seconds = [float(raw["seconds"]) for raw in raws if raw.get("seconds") is not None]
    return {
        "dataset": _each(raws, "dataset"),
        "hardware": _each(raws, "device"),
        "commit": _each(raws, "commit"),
        "versions": versions,
        "scipy": metadata.version("scipy"),
        "iterations": _each(raws, "iterations"),
        "measured_on": list(dict.fromkeys(e.record.split for e in entries if e.record)),
        "runs": len(raws),
        "seconds_in_all": round(sum(seconds), 3),
    }


def _each(raws: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    return list(dict.fromkeys(raw.get(key) for raw in raws))
