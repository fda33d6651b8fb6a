"""A comparison as one JSON value, from which all tables are made."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from usb_ext.comparison.entries import Entry, Grid, identity, left_out, make_grid
from usb_ext.comparison.numbers import compare_methods, monotonicity, time_to


def make_report(
    entries: Sequence[Entry], metric: str, target: float | str | None, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that the files of a comparison say.

    Args:
        entries: all runs, those that cannot be used with their reason.
        metric: which of the metrics leads.
        target: of the time to an accuracy, if asked for.
        about: command, methods and what else is the caller's to say; goes first.
    """
    counts = sorted({entry.num_labels for entry in entries})
    grids = [make_grid(entries, count) for count in counts]
    return {
        **about,
        "metric": metric,
        "environment": environment(entries),
        "comparisons": [compare_methods(grid) for grid in grids],
        "monotonicity": monotonicity(entries),
        "time_to": [] if target is None else [time_to(grid, target) for grid in grids],
        "left_out": left_out(entries, grids),
        "runs": [run_row(entry, grids) for entry in entries],
    }


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
    labelled = raw.get("labelled") or {}
    row["class_coverage"] = labelled.get("class_coverage")
    row["classes"] = len(labelled["counts"]) if "counts" in labelled else None
    row["normalised_std"] = labelled.get("normalised_std")
    for key in ("iterations", "seconds", "it_per_s", "device", "commit", "config_sha256"):
        row[key] = raw.get(key)
    row["run"] = entry.path.name
    return row


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
