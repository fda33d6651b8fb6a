"""The picture of a comparison: every run a point, every fold a line through the methods."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from usb_ext.atomic_files import replace_file
from usb_ext.comparison.tables import TITLES

GREY = "0.65"


def draw(report: Mapping[str, Any], stem: Path) -> list[Path]:
    """`STEM.png` and `STEM.svg`, the same bytes for the same report.

    Args:
        report: from `report.make_report`; one panel for each label count with folds.
        stem: path without ending.

    Returns:
        The files written; none if there is nothing to draw.
    """
    metric = report["metric"]
    parts = [part for part in report["comparisons"] if part["folds"]]
    if not parts:
        return []
    width = sum(1.2 + 0.9 * len(part["methods"]) for part in parts)
    figure = Figure(figsize=(max(4.0, width), 4.2), layout="constrained")
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, part in zip(panels, parts, strict=True):
        _panel(axes, part, metric)
    panels[0].set_ylabel(f"error (%), {TITLES[metric]}")
    files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    with rc_context({"svg.hashsalt": "usb_ext"}):
        replace_file(files[0], lambda part: figure.savefig(part, format="png", dpi=130))
        replace_file(files[1], lambda part: _svg(figure, part))
    return files


def _svg(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", metadata={"Date": None})


def _panel(axes: Any, part: Mapping[str, Any], metric: str) -> None:
    """One label count: thin lines are folds, the thick one their mean."""
    by_method: Mapping[str, Any] = part["metrics"][metric]
    places = range(len(by_method))
    for number in range(len(part["folds"])):
        errors: Sequence[float] = [values["errors"][number] for values in by_method.values()]
        axes.plot(places, errors, color=GREY, linewidth=0.9, marker="o", markersize=3)
    means = [values["summary"]["mean"] for values in by_method.values()]
    axes.plot(places, means, color="C0", linewidth=2.2, marker="D", markersize=5, label="mean")
    axes.set_xticks(places, list(by_method), rotation=30, ha="right")
    axes.set_xlim(-0.4, len(by_method) - 0.6)
    axes.set_title(f"{part['num_labels']} labels, {len(part['folds'])} folds", fontsize="medium")
    axes.grid(axis="y", alpha=0.3)
