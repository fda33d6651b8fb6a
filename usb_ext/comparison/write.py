"""The files of a comparison: JSON, Markdown, LaTeX, CSV and the picture.

They hold no time stamps and depend on the runs alone, so that a second call writes the same bytes.
"""

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from usb_ext.atomic_files import write_json, write_text
from usb_ext.comparison.page import as_latex, as_markdown, leading_first
from usb_ext.comparison.slope_plot import draw


def write_files(report: Mapping[str, Any], out: Path) -> None:
    """`compare.json`, `.md`, `.tex`, `.csv`, `.png` and `.svg` in a folder.

    Args:
        report: from `report.make_report`.
        out: the folder, which exists.
    """
    write_json(out / "compare.json", report)
    picture = draw(report, out / "compare")
    page = as_markdown(report, leading_first(report["metric"]))
    if picture:
        page += "\n![error by method, a line a fold](compare.png)\n"
    texts = {"md": page, "tex": as_latex(report), "csv": as_csv(report)}
    for ending, text in texts.items():
        write_text(out / f"compare.{ending}", text)


def as_csv(report: Mapping[str, Any]) -> str:
    """A row a run: its errors in percent, its gains over the first method, what it ran on.

    Gains stand where both runs of the fold are used; lists are joined by blanks, None is empty.
    """
    gains = _gains(report)
    rows = [{**run, **gains.get(_key(run), {})} for run in report["runs"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _gains(report: Mapping[str, Any]) -> dict[tuple[Any, ...], dict[str, float]]:
    """Per run its gain over the first method by each metric."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for part in report["comparisons"]:
        for metric, methods in part["metrics"].items():
            for method, values in methods.items():
                for fold, gain in zip(part["folds"], _values(values), strict=False):
                    key = (method, part["num_labels"], fold["label_seed"], fold["seed"])
                    found.setdefault(key, {})[f"gain_{metric}"] = gain
    return found


def _values(values: Mapping[str, Any]) -> list[float]:
    return values["gain"]["values"] if "gain" in values else []


def _key(run: Mapping[str, Any]) -> tuple[Any, ...]:
    return run["method"], run["num_labels"], run["label_seed"], run["seed"]


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
