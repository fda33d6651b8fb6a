"""What stands in the pictures of the weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from usb_ext.methods.influence.report import WeightsTable, draw_extremes, draw_weights, extremes
from usb_ext.plots.pictures import TILE


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def table(count: int) -> WeightsTable:
    """Weights that rise from 0 to 2 in a shuffled order; each tenth pseudo-label is wrong."""
    order = np.random.default_rng(0).permutation(count)
    weight = np.linspace(0, 2, count, dtype=np.float32)[order]
    label = np.arange(count) % 3
    return WeightsTable(weight, label, np.where(np.arange(count) % 10 == 0, (label + 1) % 3, label))


def test_each_half_of_the_histogram_holds_its_examples(drawn: list[Figure]) -> None:
    found = table(200)
    draw_weights(found, Path("unused"))
    (axes,) = drawn[0].axes
    right, wrong = axes.containers
    wrong_rows = found.pseudo_label != found.true_label
    for bars, rows in ((right, ~wrong_rows), (wrong, wrong_rows)):
        heights = np.array([bar.get_height() for bar in bars])
        edges = np.array([bar.get_x() for bar in bars])
        assert heights.sum() == pytest.approx(1)
        upper = heights[edges >= 1 - 1e-6].sum()
        assert upper == pytest.approx((found.weight[rows] >= 1).mean(), abs=0.02)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["right: 180", "wrong: 20"]
    assert f"{found.auroc():.3f}" in axes.get_title()


def test_the_fifty_lightest_and_heaviest_in_order() -> None:
    found = table(120)
    images = np.zeros((120, 4, 4, 3), np.uint8)
    images[..., 0] = np.arange(120)[:, None, None]  # the red value names the image
    blocks = extremes(found, images, ("cat", "dog", "fox"))
    by_weight = sorted(range(120), key=lambda i: found.weight[i])
    for heading, wanted in (("lightest", by_weight[:50]), ("heaviest", by_weight[::-1][:50])):
        shown = [int(tile.pixels[0, 0, 0]) for tile in blocks[heading] if tile.pixels is not None]
        assert shown == wanted
        for tile, index in zip(blocks[heading], shown, strict=True):
            name = ("cat", "dog", "fox")[found.pseudo_label[index]]
            assert tile.caption == f"{found.weight[index]:.2f} {name}"
            assert (tile.colour == "red") == (index % 10 == 0)


def test_few_images_are_shown_twice_and_other_data_has_no_sheet(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    draw_extremes(table(7), torch.zeros(7, 2), None, sheet)
    draw_extremes(table(7), ["a text"] * 7, None, sheet)
    assert not sheet.exists()
    images = np.full((7, 2, 2, 3), 255, np.uint8)
    images[:, 0, 0] = (1, 2, 3)  # the corner of an image is found again in the picture
    draw_extremes(table(7), images, None, sheet)
    pixels = np.asarray(Image.open(sheet))
    corners = (pixels == (1, 2, 3)).all(axis=-1)
    assert corners.sum() == 14 * (TILE // 2) ** 2
