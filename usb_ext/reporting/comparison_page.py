"""The page of a comparison: its tables with intervals, its picture, how it was made."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from usb_ext.comparison.page import draw, facts_of, leading_first, tables
from usb_ext.comparison.tables import TITLES, number, signed
from usb_ext.core.errors import DataMissing
from usb_ext.core.files import read_json
from usb_ext.reporting.page import Figure, Grid, Page, Section, plain
from usb_ext.reporting.pictures import drawn

NAME = "compare.json"
LEVEL = 0.95
NEEDED = ("comparisons", "runs", "environment", "metric", "command")


def comparison_page(folder: Path) -> Page:
    """The page.

    Args:
        folder: what `usb-ext compare --out` wrote, with its `compare.json`.

    Raises:
        DataMissing: the file is damaged, or of something else.
    """
    path = folder / NAME
    report = read_json(path, "the comparison", "compare again with --from")
    missing = [n for n in NEEDED if not isinstance(report, dict) or n not in report]
    if missing:
        raise DataMissing(
            f"{path} is no comparison: it has no {missing[0]}; compare again with --from"
        )
    try:
        return _page(folder.resolve().name, report)
    except (LookupError, TypeError, AttributeError) as error:
        raise DataMissing(
            f"{path} is damaged or of another version ({type(error).__name__}: {error}); compare again with "
            "--from"
        ) from error


def _page(name: str, report: Mapping[str, Any]) -> Page:
    metric = report["metric"]
    made = [plain(t.title, t.header, t.rows, t.note) for t in tables(report, leading_first(metric))]
    address = drawn(lambda path: _draw(report, path))
    unknown = [
        f"{row['method']}, {row['num_labels']} labels, seeds {row['label_seed']}/{row['seed']}: "
        f"{row['reason']}"
        for row in report.get("left_out", ())
    ]
    sections = [
        Section(
            "Intervals", grids=[_intervals(p, metric) for p in report["comparisons"] if p["folds"]]
        ),
        Section("Picture", picture=Figure(address, ["error by method, a line a fold"])),
        Section("Tables", grids=made),
        Section("How it was made", lines=facts_of(report)),
    ]
    methods = list(dict.fromkeys(run["method"] for run in report["runs"]))
    folds = ", ".join(
        f"{p['num_labels']} labels on {len(p['folds'])} folds" for p in report["comparisons"]
    )
    return Page(f"Comparison {name}", [f"{', '.join(methods)}: {folds}."], unknown, sections)


def _draw(report: Mapping[str, Any], path: Path) -> None:
    for made in draw(report, path.with_suffix("")):
        if made != path:
            made.unlink()


def _intervals(part: Mapping[str, Any], metric: str) -> Grid:
    """Mean error and mean gain over the first method, each with Student's interval over folds."""
    rows = []
    for method, values in part["metrics"][metric].items():
        gains = values["gain"]["values"] if "gain" in values else []
        rows.append([
            method, str(len(values["errors"])), number(float(np.mean(values["errors"]))),
            *interval(values["errors"], number), signed(float(np.mean(gains))) if gains else "-",
            *interval(gains, signed),
        ])  # fmt: skip
    header = (
        "method",
        "folds",
        "mean error (%)",
        "low",
        "high",
        f"gain over {part['first']}",
        "low",
        "high",
    )
    note = (
        "low and high: 95 % interval of the mean over folds (Student's t), of the runs' errors and of their "
        "run-by-run gains; - : fewer than two folds"
    )
    return plain(f"{part['num_labels']} labels, {TITLES[metric]}", header, rows, note)


def interval(values: Sequence[float], told: Any) -> Iterator[str]:
    """Both ends of the LEVEL interval of the mean, Student's t with n - 1 degrees of freedom.

    Args:
        values: n numbers; of fewer than two the ends are dashes.
        told: makes a text of a number.
    """
    n = len(values)
    if n < 2:
        yield from ("-", "-")
        return
    half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    mean = np.mean(values)
    yield from (told(float(mean - half)), told(float(mean + half)))
