"""Pictures as addresses: what is behind them is the picture."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from usb_ext.reporting.pictures import SIDE, data_uri, draw_reliability, drawn, thumbnail
from usb_ext.serving.scores import reliability


def behind(address: str | None) -> Image.Image:
    assert address is not None
    head, _, content = address.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
    assert head == f"data:image/{str(image.format).lower()}"
    return image


def test_small_images_to_the_bit(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for item in (pixels, Image.fromarray(pixels), tmp_path / "a.png", str(tmp_path / "a.png")):
        assert np.array_equal(np.asarray(behind(thumbnail(item))), pixels)


def test_large_ones_whole_upright_and_smaller(tmp_path: Path) -> None:
    """Red above, blue below, stored on its side."""
    pixels = np.zeros((600, 300, 3), np.uint8)
    pixels[:300, :, 0] = pixels[300:, :, 2] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90).save(
        tmp_path / "a.jpg", exif=exif, quality=95
    )
    shown = behind(thumbnail(tmp_path / "a.jpg"))
    assert shown.size == (SIDE // 2, SIDE)
    red, blue = (np.asarray(shown)[row, SIDE // 4] for row in (20, SIDE - 20))
    assert red[0] > 200 > 50 > red[2] and blue[2] > 200 > 50 > blue[0]


def test_what_has_no_picture(tmp_path: Path) -> None:
    (tmp_path / "bad.png").touch()
    assert thumbnail(tmp_path / "bad.png") is None and thumbnail(np.zeros(2)) is None


def test_what_is_drawn() -> None:
    def draw(path: Path) -> None:
        path.write_bytes(b"png")

    assert drawn(draw) == data_uri(b"png", "png") and drawn(lambda _: None) is None
    bins = reliability(np.array([0.4, 0.9, 0.95]), np.array([True, False, True]))
    assert min(behind(draw_reliability(bins)).size) > 200
