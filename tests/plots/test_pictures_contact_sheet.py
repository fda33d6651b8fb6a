"""Contact sheets: where each image lands."""

import numpy as np

from usb_ext.plots.pictures import CAPTION, MARGIN, TILE, Tile, contact_sheet, stacked


def test_images_stand_row_by_row_and_empty_places_stay_white() -> None:
    """Three images in two columns: the third begins the second row; the fourth place is empty."""
    colours = [(10, 0, 0), (0, 20, 0), (0, 0, 30)]
    tiles = [Tile(np.full((8, 8, 3), c, np.uint8), "") for c in colours]
    pixels = np.asarray(contact_sheet(tiles, 2))
    across, down = TILE + MARGIN, TILE + CAPTION + MARGIN
    assert pixels.shape == (2 * down + MARGIN, 2 * across + MARGIN, 3)
    for number, colour in enumerate(colours):
        x, y = MARGIN + number % 2 * across, MARGIN + number // 2 * down
        assert (pixels[y : y + TILE, x : x + TILE] == colour).all()
        assert (pixels[y - 1, x : x + TILE] == 255).all()
    assert (pixels[MARGIN + down :, MARGIN + across :] == 255).all()


def test_the_text_has_its_colour_and_a_missing_image_leaves_its_place() -> None:
    pixels = np.asarray(contact_sheet([Tile(None, "abc", "red")], 1))
    assert (pixels[: MARGIN + TILE] == 255).all()
    inked = pixels[MARGIN + TILE :].reshape(-1, 3)
    inked = inked[(inked != 255).any(axis=1)]
    assert len(inked) and (inked[:, 0] >= inked[:, 1]).all() and (inked[:, 0] == 255).all()


def test_sheets_lie_below_each_other_whatever_their_width() -> None:
    one, two = (contact_sheet([Tile(None, "")] * n, n, "heading") for n in (1, 3))
    both = stacked([one, two])
    assert both.size == (two.width, one.height + two.height)
    assert np.array_equal(np.asarray(both)[one.height :], np.asarray(two))
    assert one.height == contact_sheet([Tile(None, "")], 1).height + CAPTION
