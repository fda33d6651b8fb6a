"""Images as points of a plane, coloured by class and by prior pseudo-label."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

FEW_CLASSES = 20
GREY = "0.8"


@dataclass(frozen=True, eq=False)
class Plane:
    """What is drawn.

    Attributes:
        places: (n, 2).
        targets: (n,) classes, -1 unknown; None where nothing tells.
        prior: (n, C) prior pseudo-labels, rows of zeros where there is none; or None.
        chosen: (n,) bool, the images chosen for a label.
        classes: names, or None for numbers.
    """

    places: NDArray[np.floating[Any]]
    targets: NDArray[np.int64] | None
    prior: NDArray[np.float32] | None
    chosen: NDArray[np.bool_]
    classes: tuple[str, ...] | None


def draw_plane(plane: Plane, path: Path) -> None:
    """A panel of the classes, and one of the prior pseudo-labels where there are some.

    In the second, a point is the fainter the less sure its prior is, and grey where it has none.

    Args:
        plane: what is drawn.
        path: PNG to write.
    """
    panels: list[tuple[str, NDArray[np.int64], NDArray[Any]]] = []
    sure = np.ones(len(plane.places))
    if plane.prior is None or plane.targets is not None:
        known = np.full(len(plane.places), -1) if plane.targets is None else plane.targets
        panels.append(("features" if plane.targets is None else "classes", known, sure))
    if plane.prior is not None:
        reached = plane.prior.sum(axis=1) > 0
        likely = np.where(reached, plane.prior.argmax(axis=1), -1)
        panels.append(("prior pseudo-labels", likely, plane.prior.max(axis=1)))
    figure = Figure(figsize=(6.5 * len(panels), 6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for axis, (title, labels, sureness) in zip(axes, panels, strict=True):
        _draw(axis, plane, labels, sureness)
        axis.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=110, format="png")


def _draw(axis: Any, plane: Plane, labels: NDArray[np.int64], sure: NDArray[Any]) -> None:
    """One panel: grey points first, then a colour a class, then the chosen ones as stars."""
    none = labels < 0
    axis.scatter(*plane.places[none].T, s=4, color=GREY)
    number = max(int(labels.max(initial=-1)) + 1, len(plane.classes or ()), 1)
    few = number <= FEW_CLASSES
    colours = colormaps["tab20" if few else "hsv"]
    for label in range(number):
        rows = labels == label
        if not rows.any():
            continue
        colour = np.tile(colours(label if few else label / number), (int(rows.sum()), 1))
        colour[:, 3] = np.clip(sure[rows], 0.15, 1)
        name = plane.classes[label] if plane.classes else str(label)
        axis.scatter(*plane.places[rows].T, s=6, c=colour, label=name)
    if plane.chosen.any():
        axis.scatter(
            *plane.places[plane.chosen].T, s=90, marker="*", color="black", edgecolors="white"
        )
    if few and axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="x-small", markerscale=2, loc="best")
