"""What studies share: what is asked for, what they give, and how means over seeds are drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from usb_ext.comparison.methods import Given
from usb_ext.core.files import replace_file
from usb_ext.papers.grid import Grid

Show = Callable[[str], object]
"""Shows a text, a line a stage."""

Row = Mapping[str, object]
"""A measurement: where it was made, and its numbers."""


@dataclass(frozen=True)
class Order:
    """Which cells of a study are wanted.

    Attributes:
        budgets: numbers of labelled images, each >= 1.
        seeds: of every draw.
        features: features files of the user's own by name.
        out: folder of what is made and of the table.
        given: what the settings file says, and what the flags say, which wins also over recipes.
        jobs: runs at a time, in studies of runs.
        retry: try runs again that failed, in studies of runs.
        allow_mixed: average runs of several commits and versions, in studies of runs.
    """

    budgets: Sequence[int]
    seeds: Sequence[int]
    features: Mapping[str, Path]
    out: Path
    given: Given = field(default_factory=lambda: Given({}, {}))
    jobs: int = 1
    retry: bool = False
    allow_mixed: bool = False


@dataclass(frozen=True, eq=False)
class Made:
    """What a study gives.

    Attributes:
        grid: the table.
        rows: all measurements, at least one, with the same keys.
        draw: draws them into a PNG.
    """

    grid: Grid
    rows: Sequence[Row]
    draw: Callable[[Path], None]


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    replace_file(path, lambda part: figure.savefig(part, dpi=110, format="png"))


def draw_mean(
    axes: Axes, xs: Sequence[float], values: Sequence[Sequence[float]], label: str
) -> None:
    """A line of means with bars of one standard deviation (n - 1; none for one value).

    Args:
        axes: where.
        xs: places, ascending.
        values: at each place the values of the seeds.
        label: in the legend.
    """
    means = [float(np.mean(v)) for v in values]
    bars = [float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for v in values]
    axes.errorbar(xs, means, yerr=bars, marker="o", ms=4, capsize=3, linewidth=1.2, label=label)
