"""Pictures of a selection: each image in its place; the scatter's axes are the main ones."""

from pathlib import Path

import numpy as np
from PIL import Image
from support.features import random_points

from usb_ext.as3l.inputs.feature_images import FeatureImages
from usb_ext.as3l.select.stage import draw_scatter, draw_sheet, two_main_axes
from usb_ext.as3l.select.strategies import Selection
from usb_ext.plots.pictures import CAPTION, MARGIN, TILE


def test_every_chosen_image_stands_in_its_order(tmp_path: Path) -> None:
    pixels = (
        np.zeros((20, 4, 4, 3), np.uint8)
        + np.arange(0, 200, 10, dtype=np.uint8)[:, None, None, None]
    )
    rows = np.array([7, 0, 3, 12, 5])
    images = FeatureImages(None, None, None, None, pixels, np.arange(20)[::-1])
    draw_sheet(images, Selection(rows, np.arange(5)), tmp_path / "s.png")
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    width, height = TILE + MARGIN, TILE + CAPTION + MARGIN
    columns = (sheet.shape[1] - MARGIN) // width
    assert columns * ((sheet.shape[0] - MARGIN) // height) >= 5
    for number, row in enumerate(rows):
        y, x = MARGIN + number // columns * height, MARGIN + number % columns * width
        assert (sheet[y : y + TILE, x : x + TILE] == 10 * (19 - row)).all()


def test_main_axes_are_the_singular_vectors() -> None:
    points = random_points(60, 5, 0, np.float32) * np.array([1, 9, 2, 5, 0.5], np.float32)
    centred = points - points.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    wanted = left[:, :2] * singular[:2]
    got = two_main_axes(points)
    np.testing.assert_allclose(np.abs(got), np.abs(wanted), rtol=1e-3, atol=1e-3)


def test_features_of_one_number_lie_on_a_line(tmp_path: Path) -> None:
    points = random_points(9, 1, 1, np.float32)
    assert two_main_axes(points).shape == (9, 2) and not two_main_axes(points)[:, 1].any()
    draw_scatter(points, Selection(np.array([1]), np.array([0])), tmp_path / ".x.png.part")
    assert Image.open(tmp_path / ".x.png.part").format == "PNG"
