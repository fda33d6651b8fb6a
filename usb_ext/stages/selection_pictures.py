"""The picture of a selection: a contact sheet of its images, or where they lie among the features."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from usb_ext.as3l.feature_images import FeatureImages
from usb_ext.as3l.select.strategies import Selection
from usb_ext.stages.contact_sheet import Tile, contact_sheet

MOST_TILES = 1000
MOST_DOTS = 5000


def draw_sheet(images: FeatureImages, found: Selection, path: Path) -> None:
    """The chosen images in their order, row by row, each with its place in the order.

    Args:
        images: the pictures.
        found: what was chosen; of more than 1,000 images the first 1,000 are drawn.
        path: PNG to write.
    """
    rows = found.positions[:MOST_TILES]
    columns = int(np.ceil(np.sqrt(len(rows) * 1.6)))
    tiles = [Tile(images.picture(int(r)), _caption(images, found, n)) for n, r in enumerate(rows)]
    contact_sheet(tiles, columns).save(path, format="PNG")


def _caption(images: FeatureImages, found: Selection, number: int) -> str:
    """Place in the order and id."""
    row = int(found.positions[number])
    name = str(row) if images.positions is None else str(images.positions[row])
    if images.files is not None:
        name = images.files[row].rsplit("/", 1)[-1]
    return f"{number}: {name}"


def draw_scatter(values: NDArray[np.float32], found: Selection, path: Path) -> None:
    """The chosen samples on the two main axes of the features, where there are no images to show.

    Args:
        values: (N, d) features; of more than 5,000 every so many-th is drawn.
        found: what was chosen.
        path: PNG to write.
    """
    places = two_main_axes(values)
    step = -(-len(places) // MOST_DOTS)
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.subplots()
    axes.plot(*places[::step].T, ".", ms=2, color="lightgray", label="all images")
    axes.plot(*places[found.positions].T, "o", ms=5, color="tab:red", label="chosen")
    if len(found.positions) <= 100:
        for number, place in enumerate(places[found.positions]):
            axes.annotate(str(number), place, fontsize=8)
    axes.set(xlabel="first main axis", ylabel="second main axis")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=110, format="png")


def two_main_axes(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features (N, d) on their two directions of largest variance: (N, 2); of one dimension, (x, 0)."""
    centred = values - values.mean(axis=0)
    _, directions = np.linalg.eigh(
        np.cov(centred.T, dtype=np.float64).reshape((values.shape[1],) * 2)
    )
    axes = directions[:, ::-1][:, :2]
    places = centred @ axes
    missing = 2 - places.shape[1]
    return np.pad(places, ((0, 0), (0, missing))).astype(np.float64)
