"""The curves stage: a metric over the steps of several runs, as LayerMatch draws accuracy in Fig. 1."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from usb_ext.atomic_files import replace_file
from usb_ext.core.errors import SettingsError
from usb_ext.functional.spread import band_over_runs
from usb_ext.papers.curves import CurveGroup, group_runs, labels_of, make_group
from usb_ext.papers.found_runs import find_runs

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, told apart with any colour vision, its yellow left out: too pale for a line."""

DASHES = ("-", "--", "-.", ":")
"""The next style when the colours are used up."""

COLUMN_INCHES = 3.4
"""Width of a column of a two-column paper."""

AXES_INCHES, LINE_INCHES = 2.2, 0.15
"""Height without the legend, which stands above the curves, and of a line of it."""

STYLE: Any = {
    "font.size": 8,
    "svg.hashsalt": "usb_ext",
    "axes.linewidth": 0.6,
    "legend.title_fontsize": 7,
}
"""A fixed salt: the same runs give the same SVG, byte by byte."""

FILES: dict[str, dict[str, Any]] = {
    ".png": {"dpi": 300},
    ".svg": {"metadata": {"Date": None}},
}
BANDS = {"std": "± 1 std", "range": "lowest to highest"}


def curves(
    places: Sequence[str],
    *,
    out: Path,
    metric: str = "eval/top-1-acc",
    by: Sequence[str] = (),
    band: str = "std",
) -> list[str]:
    """Draw the mean of each method's runs with a band over its seeds, to a PNG and an SVG.

    Args:
        places: run folders, folders above them, or glob patterns.
        out: path of the pictures, with or without `.png` or `.svg`.
        metric: key in `metrics.jsonl`.
        by: settings whose values make a group; empty for all settings but the seeds.
        band: `std` or `range`.

    Returns:
        Lines to show: what was drawn, with remarks, and the two files.

    Raises:
        DataMissing: a place without a run, or metrics that cannot be read.
        SettingsError: no common step, an unknown setting, or a file that cannot be written.
    """
    members = group_runs(find_runs(places), by)
    named = zip(members, labels_of(members, by), strict=True)
    groups = [make_group(runs, label, metric) for runs, label in named]
    with matplotlib.rc_context(STYLE):
        files = _save(draw_groups(groups, metric, band), out)
    return [line for group in groups for line in _said(group, band)] + files


def draw_groups(groups: Sequence[CurveGroup], metric: str, band: str) -> Figure:
    """The picture: a line and a band a group, and what they are in the legend.

    Args:
        groups: one or more.
        metric: its key; an accuracy is drawn in percent.
        band: `std` or `range`.
    """
    scale, name = (100.0, "top-1 accuracy (%)") if metric.endswith("top-1-acc") else (1.0, metric)
    height = AXES_INCHES + LINE_INCHES * (len(groups) + 1)
    figure = Figure(figsize=(COLUMN_INCHES, height), layout="constrained")
    axes = figure.subplots()
    for number, group in enumerate(groups):
        colour = COLOURS[number % len(COLOURS)]
        dash = DASHES[number // len(COLOURS) % len(DASHES)]
        mean, low, high = band_over_runs(scale * group.curves, band)
        (line,) = axes.plot(group.steps, mean, dash, color=colour, linewidth=1.2)
        line.set(label=_label(group), marker="o" if len(group.steps) == 1 else "")
        if len(group.curves) > 1:
            axes.fill_between(group.steps, low, high, color=colour, alpha=0.18, linewidth=0.4)
    axes.set(xlabel="step", ylabel=name)
    axes.grid(alpha=0.3, linewidth=0.4)
    banded = any(len(group.curves) > 1 for group in groups)
    title = f"mean, {BANDS[band]} over runs" if banded else None
    figure.legend(loc="outside upper left", fontsize=7, frameon=False, title=title)
    return figure


def _label(group: CurveGroup) -> str:
    few = any("common steps" in remark for remark in group.remarks)
    return f"{group.label} (n={len(group.curves)}{', common steps' if few else ''})"


def _said(group: CurveGroup, band: str) -> list[str]:
    count = len(group.curves)
    what = f"mean and {BANDS[band]} over n={count} runs" if count > 1 else "n=1: no band"
    last = f"steps {group.steps[0]:.0f} to {group.steps[-1]:.0f}"
    return [f"{group.label}: {what}, {last}", *(f"{group.label}: {r}" for r in group.remarks)]


def _save(figure: Figure, out: Path) -> list[str]:
    """Both files, each whole or not at all."""
    stem = out.with_suffix("") if out.suffix in FILES else out
    written = []
    for suffix, options in FILES.items():
        path = stem.with_name(stem.name + suffix)
        try:
            replace_file(path, _writer(figure, suffix, options))
        except OSError as error:
            raise SettingsError(f"--out {path} cannot be written: {error.strerror}") from error
        written.append(str(path))
    return written


def _writer(figure: Figure, suffix: str, options: dict[str, Any]) -> Callable[[Path], None]:
    return lambda path: figure.savefig(path, format=suffix[1:], **options)
