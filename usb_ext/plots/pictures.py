"""Curves, confusion matrices and contact sheets: images in rows with a line of text below each.

Contact sheets are made by Pillow: a hundred axes of a figure take long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from usb_ext.core.files import replace_file

MANY_CLASSES = 20
PANELS = (
    ("loss", ("train/total_loss", "train/sup_loss", "train/unsup_loss", "train/ac_loss")),
    ("accuracy", ("eval/top-1-acc", "train/labelled_acc")),
    ("share of pseudo-labels used", ("train/util_ratio",)),
)


def draw_curves(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """Loss, accuracy and share of pseudo-labels used over steps.

    Args:
        rows: rows of `metrics.jsonl`.
        path: PNG to write.
        title: heading.
    """
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    for axes, (name, keys) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        for key in keys:
            points = [(row["it"], row[key]) for row in rows if key in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=key.split("/")[1], linewidth=1.2)
        axes.set(xlabel="step", title=name)
        axes.grid(alpha=0.3)
        if len(axes.lines) > 1:
            axes.legend(fontsize="small")
    figure.axes[1].set_ylim(0, 1)
    figure.suptitle(title, fontsize="medium")
    replace_file(path, lambda part: figure.savefig(part, dpi=110, format="png"))


def draw_confusion(
    confusion: npt.NDArray[Any], classes: tuple[str, ...] | None, path: Path
) -> None:
    """The confusion matrix, each row (true class) as shares of its examples.

    Args:
        confusion: (C, C) counts.
        classes: names, or None for numbers.
        path: PNG to write.
    """
    if confusion.size == 0:
        return
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    size = min(10.0, 3.0 + 0.35 * len(confusion))
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="true", title="confusion, last weights")
    if len(confusion) <= MANY_CLASSES:
        names = classes or tuple(map(str, range(len(confusion))))
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
        _write_shares(axes, shares)
    replace_file(path, lambda part: figure.savefig(part, dpi=110, format="png"))


def _write_shares(axes: Any, shares: npt.NDArray[Any]) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.5 else "black"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)


TILE, CAPTION, MARGIN = 96, 14, 6
"""Pixels: side of an image, height of a line of text, space between."""

MOST_LETTERS = 15


@dataclass(frozen=True, eq=False)
class Tile:
    """One image of a sheet.

    Attributes:
        pixels: uint8 (H, W, 3), of any size; None leaves the place white.
        caption: text below it, of which the first 15 letters are shown.
        colour: of the text, as Pillow names colours.
    """

    pixels: NDArray[np.uint8] | None
    caption: str
    colour: str = "black"


def contact_sheet(tiles: Sequence[Tile], columns: int, heading: str = "") -> Image.Image:
    """The images row by row.

    Args:
        tiles: at least one.
        columns: images in a row, >= 1.
        heading: a line above them; empty for none.
    """
    height, width = TILE + CAPTION + MARGIN, TILE + MARGIN
    top = MARGIN + (CAPTION if heading else 0)
    lines = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width + MARGIN, lines * height + top), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 2), heading, fill="black")
    for number, tile in enumerate(tiles):
        x, y = MARGIN + number % columns * width, top + number // columns * height
        if tile.pixels is not None:
            small = len(tile.pixels) < TILE
            resample = Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
            sheet.paste(Image.fromarray(tile.pixels).resize((TILE, TILE), resample), (x, y))
        draw.text((x, y + TILE + 1), tile.caption[:MOST_LETTERS], fill=tile.colour)
    return sheet


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    """Sheets one below the other."""
    whole = Image.new("RGB", (max(s.width for s in sheets), sum(s.height for s in sheets)), "white")
    y = 0
    for sheet in sheets:
        whole.paste(sheet, (0, y))
        y += sheet.height
    return whole
