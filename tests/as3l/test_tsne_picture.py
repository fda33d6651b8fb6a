"""Points of a plane in the colours of their classes."""

from pathlib import Path

import numpy as np
from PIL import Image

from usb_ext.as3l.tsne import Plane, draw_plane


def test_a_point_is_drawn_where_it_lies_in_the_colour_of_its_class(tmp_path: Path) -> None:
    """Two far points of two classes: the left half holds one colour, the right half the other."""
    places = np.array([[0.0, 0.0]] * 30 + [[9.0, 0.0]] * 30)
    targets = np.array([0] * 30 + [2] * 30)
    plane = Plane(places, targets, None, np.zeros(60, dtype=bool), None)
    draw_plane(plane, tmp_path / "p.png")
    pixels = np.asarray(Image.open(tmp_path / "p.png").convert("RGB")).astype(int)
    blue, orange = np.array([31, 119, 180]), np.array([255, 127, 14])
    half = pixels.shape[1] // 2
    for colour, inside in ((blue, pixels[:, :half]), (orange, pixels[:, half:])):
        near = np.abs(inside[40:-60] - colour).sum(axis=2) < 12
        assert near.any()
