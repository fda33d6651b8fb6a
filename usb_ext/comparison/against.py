"""Each method against its own runs in another comparison: `usb-ext compare --against`.

Smooth Pseudo-Labeling, Table 3: the "drop due to imbalance" holds a method's runs on imbalanced data against
its runs on balanced data, fold by fold, where the gain over FixMatch compares methods.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from usb_ext.comparison.numbers import gain
from usb_ext.comparison.records import METRICS
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import read_json

REPORT = "compare.json"
"""What a comparison leaves of itself."""


@dataclass(frozen=True)
class Other:
    """Another comparison.

    Attributes:
        name: as it was asked for.
        report: what its `compare.json` holds.
    """

    name: str
    report: Mapping[str, Any]


def read_other(name: str, out: Path) -> Other:
    """The comparison that `--against NAME` means.

    Args:
        name: its folder, or that folder's name beside `out`.
        out: folder of the comparison that asks.

    Raises:
        SettingsError: the comparison that asks itself.
        DataMissing: no folder of a comparison, or a report that cannot be read.
    """
    places = (Path(name).expanduser(), out.parent / name)
    found = next((place for place in places if (place / REPORT).is_file()), None)
    if found is None:
        tried = " or ".join(dict.fromkeys(map(str, places)))
        raise DataMissing(
            f"--against {name}: there is no {REPORT} in {tried}; give the folder of a finished comparison"
        )
    if found.resolve() == out.resolve():
        raise SettingsError(f"--against {name} is this comparison's own folder; give another --out")
    remedy = "run that comparison again, which trains nothing that is there"
    report = read_json(found / REPORT, "the report of a comparison", remedy)
    if not isinstance(report, dict) or not _has_runs(report.get("runs")):
        raise DataMissing(f"{found / REPORT} is no report of a comparison; {remedy}")
    return Other(name, report)


def _has_runs(runs: object) -> bool:
    """Whether these are rows of runs as `report.run_row` makes them."""
    needed = {
        "method",
        "num_labels",
        "label_seed",
        "seed",
        "used",
        *(f"error_{m}" for m in METRICS),
    }
    return isinstance(runs, list) and all(isinstance(r, dict) and needed <= r.keys() for r in runs)


def against(other: Other, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each method's gain over its own runs there, on the folds that are used in both.

    Args:
        other: the comparison that is held against.
        runs: rows of the runs here, from `report.run_row`.

    Returns:
        `name`, `command`, `missing` (methods without a pair), and `parts`, one a label count: per metric and
        method the mean errors `there` and `here` and the `gain`, negative where the error rose.
    """
    kept = {_key(run): run for run in other.report["runs"] if run["used"]}
    pairs = [(kept[_key(run)], run) for run in runs if run["used"] and _key(run) in kept]
    counts = sorted({here["num_labels"] for _, here in pairs})
    paired = {here["method"] for _, here in pairs}
    return {
        "name": other.name,
        "command": other.report.get("command"),
        "missing": [m for m in dict.fromkeys(run["method"] for run in runs) if m not in paired],
        "parts": [
            _part(count, [p for p in pairs if p[1]["num_labels"] == count]) for count in counts
        ],
    }


def _key(run: Mapping[str, Any]) -> tuple[Any, ...]:
    return run["method"], run["num_labels"], run["label_seed"], run["seed"]


def _part(
    count: int, pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for metric in METRICS:
        metrics[metric] = {}
        for method in dict.fromkeys(here["method"] for _, here in pairs):
            own = [pair for pair in pairs if pair[1]["method"] == method]
            there, here = (
                [float(run[f"error_{metric}"]) for run in side] for side in zip(*own, strict=True)
            )
            metrics[metric][method] = {
                "there": fmean(there),
                "here": fmean(here),
                "gain": gain(there, here),
            }
    return {"num_labels": count, "metrics": metrics}


def refuse_other_data_set(other: Other, datasets: Sequence[object]) -> None:
    """Stop before any run where the two comparisons are not of one data set.

    Args:
        other: the comparison that is held against.
        datasets: names of the data sets here.

    Raises:
        SettingsError: they differ.
    """
    there = other.report.get("environment", {}).get("dataset", [])
    if there and datasets and set(there) != set(datasets):
        raise SettingsError(
            f"--against {other.name} is on {', '.join(map(str, there))}, this comparison on "
            f"{', '.join(map(str, datasets))}; folds of other images are no pairs"
        )
