"""`boundary.png`: how the network divides the plane at several steps (Ren et al., 2020, Figs. 1 and 2)."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

MARKERS = "os^vDPX"
COLUMNS = 4
SHADES = "Greys"
LABELLED, LINE = "tab:orange", "tab:blue"


def draw_boundary(algorithm: Any, path: Path) -> None:
    """A panel a kept step, for runs on points of the plane; nothing for others.

    Args:
        algorithm: its `BoundaryHook` has kept the panels; its data sets hold the points.
        path: PNG to write.
    """
    hook = algorithm.hooks_dict.get("BoundaryHook")
    if hook is None or not hook.panels:
        return
    columns = min(COLUMNS, len(hook.panels))
    rows = -(-len(hook.panels) // columns)
    figure = Figure(figsize=(3.2 * columns + 0.8, 3.3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(hook.panels) :]:
        axes.set_axis_off()
    largest = _largest_weight(hook.panels)
    shades = None
    for axes, panel in zip(grid, hook.panels, strict=False):
        _draw_division(axes, hook, panel["probs"])
        shades = _draw_points(axes, algorithm.dataset_dict, panel["weights"], largest)
        axes.set(title=f"step {panel['step']}", xticks=[], yticks=[])
    if shades is not None:
        figure.colorbar(shades, ax=list(grid), label="weight of an unlabelled point", shrink=0.8)
    handles = [
        Line2D([], [], color=LABELLED, marker="o", linestyle="", label="labelled"),
        Line2D([], [], color=LINE, label="decision boundary"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize="small")
    figure.savefig(path, dpi=110)


def _largest_weight(panels: list[dict[str, Any]]) -> float:
    """Top of the shades' scale: the largest weight of all panels, at least 1."""
    known = [float(p["weights"].max()) for p in panels if p["weights"] is not None]
    return max(1.0, *known) if known else 1.0


def _draw_division(axes: Any, hook: Any, probs: Any) -> None:
    """Regions by predicted class, faintly, and the lines between them."""
    x, y = (axis.numpy() for axis in hook.axes())
    classes = probs.argmax(dim=-1).numpy()
    levels = np.arange(probs.shape[-1] + 1) - 0.5
    axes.contourf(x, y, classes, levels=levels, cmap="coolwarm", alpha=0.15)
    if probs.shape[-1] == 2:
        axes.contour(x, y, probs[..., 1].numpy(), levels=[0.5], colors=LINE, linewidths=1.6)
    else:
        axes.contour(x, y, classes, levels=levels[1:-1], colors=LINE, linewidths=1.6)


def _draw_points(axes: Any, datasets: dict[str, Any], weights: Any, largest: float) -> Any:
    """Unlabelled points shaded by weight (1 where a run has none), labelled ones on top."""
    shades = None
    if datasets["train_ulb"] is not None:
        points = np.asarray(datasets["train_ulb"].data)
        values = np.ones(len(points)) if weights is None else np.asarray(weights)
        shades = axes.scatter(
            *points.T, c=values, cmap=SHADES, vmin=0, vmax=largest, s=9,
            edgecolors="0.6", linewidths=0.2,
        )  # fmt: skip
    labelled = np.asarray(datasets["train_lb"].data)
    targets = np.asarray(datasets["train_lb"].targets)
    for number in np.unique(targets):
        axes.scatter(
            *labelled[targets == number].T, c=LABELLED, s=45, edgecolors="black",
            marker=MARKERS[number % len(MARKERS)],
        )  # fmt: skip
    return shades
