"""Contact sheets: images in rows, a line of text below each, by Pillow (100 axes of a figure take long)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

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
