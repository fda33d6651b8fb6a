"""`usb-ext curves`: a metric over the steps of several runs, as LayerMatch draws accuracy in Fig. 1.

Runs of one method are brought together on their common steps, under a name for the legend.
"""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from usb_ext.comparison.statistics import FloatArray, band_over_runs
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import replace_file
from usb_ext.core.outputs import claim_outputs
from usb_ext.papers.found_runs import SEEDS, FoundRun, find_runs
from usb_ext.settings.algorithms import parts_of

MAX_KEYS = 3


@dataclass(frozen=True)
class CurveGroup:
    """The curves of the runs of one method.

    Attributes:
        label: name in the legend.
        steps: (T,) finished steps that all its runs have logged.
        curves: (S, T) one row a run, in the metric's unit.
        remarks: what a reader has to know, without the label.
    """

    label: str
    steps: FloatArray
    curves: FloatArray
    remarks: list[str]


@dataclass(frozen=True)
class Reference:
    """Where the runs of a method ended, as a line across the picture (LayerMatch, Fig. 1).

    Attributes:
        label: name in the legend.
        ends: (S,) last logged value of each run, in the metric's unit.
    """

    label: str
    ends: FloatArray

    @property
    def text(self) -> str:
        """As the legend has it."""
        return f"{self.label}, end (n={len(self.ends)})"


def group_runs(runs: Sequence[FoundRun], by: Sequence[str] = ()) -> list[list[FoundRun]]:
    """Bring runs together, in the order found; a run that repeats another's settings and seeds is dropped.

    Args:
        runs: what was found.
        by: settings whose values make a group; empty for all settings but the seeds.

    Raises:
        SettingsError: a name that is no setting.
    """
    groups: list[tuple[dict[str, Any], list[FoundRun]]] = []
    for run in runs:
        key = _key(run, by)
        members = next((members for other, members in groups if other == key), None)
        if members is None:
            groups.append((key, [run]))
        elif all((other.settings, other.fold) != (run.settings, run.fold) for other in members):
            members.append(run)
    return [members for _, members in groups]


def make_group(members: list[FoundRun], label: str, metric: str) -> CurveGroup:
    """The curves of a group on the steps that all its runs have logged.

    Args:
        members: its runs, one or more.
        label: its name.
        metric: key in `metrics.jsonl`.

    Raises:
        DataMissing: metrics that cannot be read, or do not hold the key.
        SettingsError: no step is common to the runs.
    """
    curves = [run.curve(metric) for run in members]
    common = sorted(set.intersection(*(set(curve) for curve in curves)))
    every = set().union(*curves)
    if not common:
        raise SettingsError(
            f"the runs of {label} have no step in common: {', '.join(str(r.path) for r in members)}"
        )
    remarks = _mixed(members)
    if len(common) < len(every):
        fewest = members[min(range(len(curves)), key=lambda n: len(curves[n]))].path
        remarks.append(
            f"drawn on {len(common)} common steps of the {len(every)} that were logged; {fewest} has "
            "fewest"
        )
    values = np.array([[curve[step] for step in common] for curve in curves], dtype=np.float64)
    return CurveGroup(label, np.array(common, dtype=np.float64), values, remarks)


def make_references(places: Sequence[str], metric: str, by: Sequence[str] = ()) -> list[Reference]:
    """The ends of runs that others are held against, one line a method.

    Args:
        places: run folders, folders above them, or glob patterns; may be empty.
        metric: key in `metrics.jsonl`.
        by: as in `group_runs`.

    Raises:
        DataMissing: a place without a run, or metrics that cannot be read.
        SettingsError: a name in `by` that is no setting.
    """
    groups = group_runs(find_runs(places), by)
    found = []
    for members, label in zip(groups, labels_of(groups, by), strict=True):
        logged = [run.curve(metric) for run in members]
        ends = np.array([curve[max(curve)] for curve in logged], dtype=np.float64)
        found.append(Reference(label, ends))
    return found


def labels_of(groups: Sequence[list[FoundRun]], by: Sequence[str] = ()) -> list[str]:
    """A name for each group: its method, and where that does not tell it apart, settings that do.

    Args:
        groups: as `group_runs` gives them.
        by: as there; then the names are the values of these settings.
    """
    if by:
        return [_words({name: g[0].settings[name] for name in by}) for g in groups]
    firsts = [group[0].but_seeds() for group in groups]
    names = []
    for mine in firsts:
        rivals = [other for other in firsts if method_name(other) == method_name(mine)]
        telling = [n for n in mine if any(other[n] != mine[n] for other in rivals)]
        parts = [method_name(mine), _words({n: mine[n] for n in telling[:MAX_KEYS]})]
        names.append(", ".join(part for part in parts if part))
    return names


def method_name(settings: dict[str, Any]) -> str:
    """`fixmatch + grad_relu`, `layermatch - avg_clustering`: an algorithm, what is on it and what is off.

    Args:
        settings: values by name, as `FoundRun.settings` gives them.
    """
    algorithm, asked = settings["algorithm"], tuple(settings["extensions"])
    off = [p for p in parts_of(algorithm, asked) if settings.get(p) is False]
    own = parts_of(algorithm, ())
    text = str(settings["base"] or algorithm if algorithm == "weak_strong" else algorithm)
    text += "".join(f" + {p}" for p in parts_of(algorithm, asked) if p not in (*own, *off))
    return text + "".join(f" - {part}" for part in off if part in own)


def _key(run: FoundRun, by: Sequence[str]) -> dict[str, Any]:
    settings = run.settings
    for name in by:
        if name not in settings:
            near = difflib.get_close_matches(name, settings, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"--by {name} is no setting that decides a result{hint}")
    return {name: settings[name] for name in by} if by else run.but_seeds()


def _words(values: dict[str, Any]) -> str:
    """`fixmatch, lr 0.03`: an algorithm by its name alone, any other setting with it."""
    return ", ".join(str(v) if name == "algorithm" else f"{name} {v}" for name, v in values.items())


def _mixed(members: list[FoundRun]) -> list[str]:
    """In what the runs of a group differ besides their seeds, where `by` brought them together."""
    first = members[0].settings
    names = [n for n in first if any(run.settings[n] != first[n] for run in members)]
    mixed = [name for name in names if name not in SEEDS]
    return [f"its runs differ in {', '.join(mixed[:MAX_KEYS])}"] if mixed else []


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, told apart with any colour vision, its yellow left out: too pale for a line."""

DASHES = ("-", "--", "-.", ":")
"""The next style when the colours are used up."""

REFERENCES = ("--", ":", "-.")
"""Of the grey lines across the picture."""

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
    references: Sequence[str] = (),
) -> list[str]:
    """Draw the mean of each method's runs with a band over its seeds, to a PNG and an SVG.

    Args:
        places: run folders, folders above them, or glob patterns.
        out: path of the pictures, with or without `.png` or `.svg`.
        metric: key in `metrics.jsonl`.
        by: settings whose values make a group; empty for all settings but the seeds.
        band: `std` or `range`.
        references: places of runs whose mean last value is drawn as a line, such as fully supervised ones.

    Returns:
        Lines to show: what was drawn, with remarks, and the two files.

    Raises:
        DataMissing: a place without a run, or metrics that cannot be read.
        SettingsError: no common step, an unknown setting, or a file that cannot be written.
    """
    members = group_runs(find_runs(places), by)
    named = zip(members, labels_of(members, by), strict=True)
    groups = [make_group(runs, label, metric) for runs, label in named]
    lines = make_references(references, metric, by)
    with matplotlib.rc_context(STYLE):
        files = _save(draw_groups(groups, metric, band, lines), out)
    said = [line for group in groups for line in _said(group, band)]
    return said + [f"{line.text}: {line.ends.mean():.4g}" for line in lines] + files


def draw_groups(
    groups: Sequence[CurveGroup], metric: str, band: str, references: Sequence[Reference] = ()
) -> Figure:
    """The picture: a line and a band a group, and what they are in the legend.

    Args:
        groups: one or more.
        metric: its key; an accuracy is drawn in percent.
        band: `std` or `range`.
        references: a horizontal line each, in grey.
    """
    scale, name = (100.0, "top-1 accuracy (%)") if metric.endswith("top-1-acc") else (1.0, metric)
    height = AXES_INCHES + LINE_INCHES * (len(groups) + len(references) + 1)
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
    for number, end in enumerate(references):
        style = REFERENCES[number % len(REFERENCES)]
        axes.axhline(
            scale * float(end.ends.mean()), ls=style, color="0.4", linewidth=0.9, label=end.text
        )
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
    names = [stem.name + suffix for suffix in FILES]
    claim_outputs(stem.parent, names, make=False)
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
