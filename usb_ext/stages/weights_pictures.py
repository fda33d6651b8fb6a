"""`weights.png` and `weights_images.png`: how the weights lie, and whom they favour."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from usb_ext.methods.influence.report import WeightsTable
from usb_ext.stages.contact_sheet import Tile, contact_sheet, stacked

BINS = 40
COLOURS = {"right": "tab:blue", "wrong": "tab:red", "class unknown": "tab:gray"}
ROWS, COLUMNS = 5, 10


def draw_weights(table: WeightsTable, path: Path) -> None:
    """Histogram of the weights of right and of wrong pseudo-labels, each as shares of its examples.

    Args:
        table: the run's weights.
        path: PNG to write.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, max(1.0, float(table.weight.max())), BINS + 1).tolist()
    for name, weights in table.by_correctness().items():
        axes.hist(
            weights, bins=bins, weights=np.full(len(weights), 1 / len(weights)),
            color=COLOURS[name], alpha=0.55, label=f"{name}: {len(weights)}",
        )  # fmt: skip
    auroc = table.auroc()
    title = "weights of unlabelled examples"
    axes.set(
        xlabel="weight",
        ylabel="share of the examples",
        title=title if auroc is None else f"{title}; AUROC right against wrong {auroc:.3f}",
    )
    axes.legend(title="pseudo-label")
    figure.savefig(path, dpi=110)


def draw_extremes(
    table: WeightsTable, images: Any, classes: tuple[str, ...] | None, path: Path
) -> None:
    """The 5 x 10 lightest and the 5 x 10 heaviest images as a contact sheet.

    Args:
        table: the run's weights.
        images: (N, H, W, 3) uint8, or what gives one image (H, W, 3) an index. Other data is not drawn.
        classes: names, or None for numbers.
        path: PNG to write.
    """
    shape = tuple(getattr(images, "shape", ()))
    if len(shape) != 4 or shape[3] != 3 or images.dtype != np.uint8:
        return
    blocks = extremes(table, images, classes)
    sheets = [contact_sheet(tiles, COLUMNS, heading) for heading, tiles in blocks.items()]
    stacked(sheets).save(path, format="PNG")


def extremes(
    table: WeightsTable, images: Any, classes: tuple[str, ...] | None
) -> dict[str, list[Tile]]:
    """The lightest and the heaviest images, lightest and heaviest first.

    Below each stand its weight and pseudo-label, in red where that is wrong. Of equal weights the lower
    position comes first.

    Args:
        table: the run's weights.
        images: (N, H, W, 3) uint8, or what gives one image an index.
        classes: names, or None for numbers.
    """
    shown = min(ROWS * COLUMNS, len(table.weight))
    orders = {"lightest": table.weight, "heaviest": -table.weight}
    return {
        heading: [
            _tile(table, images, int(index), classes)
            for index in np.argsort(order, kind="stable")[:shown]
        ]
        for heading, order in orders.items()
    }


def _tile(table: WeightsTable, images: Any, index: int, classes: tuple[str, ...] | None) -> Tile:
    label, truth = int(table.pseudo_label[index]), int(table.true_label[index])
    name = classes[label] if classes else str(label)
    wrong = truth >= 0 and truth != label
    caption = f"{table.weight[index]:.2f} {name}"
    return Tile(np.asarray(images[index]), caption, "red" if wrong else "black")
