"""Image files to square RGB pixels: every mode, orientation and depth, and files that are damaged."""

import os

import numpy as np
import pytest
from PIL import Image

from usb_ext.data.decode import BadImage, decode_file, image_extensions, opened, prepare_image

S = 8
PIXELS = np.random.default_rng(0).integers(0, 256, (S, S, 3), dtype=np.uint8)


def saved(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.PPM", "größe ß.png"])
def test_lossless_square_images_are_unchanged(tmp_path, name):
    path = saved(tmp_path, Image.fromarray(PIXELS), name)
    found = decode_file(path, S)
    assert found.dtype == np.uint8
    assert (found == PIXELS).all()


def test_wide_and_tall_images_keep_their_centre():
    """Three blocks side by side: only the middle one is the centred square."""
    wide = np.concatenate([np.zeros_like(PIXELS), PIXELS, np.full_like(PIXELS, 255)], axis=1)
    assert (np.asarray(prepare_image(Image.fromarray(wide), S)) == PIXELS).all()
    tall = wide.transpose(1, 0, 2)
    assert (np.asarray(prepare_image(Image.fromarray(tall), S)) == PIXELS.transpose(1, 0, 2)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 5), (100, 40)])
def test_any_shape_becomes_a_square(shape):
    flat = Image.new("RGB", shape, (10, 20, 30))
    assert (np.asarray(prepare_image(flat, S)) == (10, 20, 30)).all()


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, np.rot90),
    ],
)
def test_exif_orientation(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(PIXELS), "a.png", exif=exif)
    assert (decode_file(path, S) == upright(PIXELS)).all()


def test_transparency_is_laid_on_white(tmp_path):
    alpha = np.zeros((S, S, 1), np.uint8)
    alpha[:4] = 255
    path = saved(tmp_path, Image.fromarray(np.concatenate([PIXELS, alpha], axis=2)), "a.png")
    found = decode_file(path, S)
    assert (found[:4] == PIXELS[:4]).all()
    assert (found[4:] == 255).all()


def test_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (S, S), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.paste(0, (0, 0, S, 4))
    path = saved(tmp_path, image, "a.png", transparency=0)
    found = decode_file(path, S)
    assert (found[:4] == 255).all()
    assert (found[4:] == (200, 100, 50)).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    grey = (np.arange(S * S).reshape(S, S) * 4).astype(np.uint16)
    for name in ("a.png", "a.tiff"):
        found = decode_file(saved(tmp_path, Image.fromarray(grey * 257), name), S)
        assert (found == grey[:, :, None]).all()


def test_floats_are_stretched_and_may_be_flat_or_broken(tmp_path):
    values = np.zeros((S, S), np.float32)
    values[0], values[1], values[2, 0] = 2.0, 1.0, np.nan
    found = decode_file(saved(tmp_path, Image.fromarray(values), "a.tiff"), S)
    assert found[0, 0, 0] == 255
    assert found[1, 0, 0] in (127, 128)
    assert found[2:].max() == 0
    flat = Image.fromarray(np.full((S, S), 7, np.float32))
    assert decode_file(saved(tmp_path, flat, "b.tiff"), S).max() == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "RGBA", "I", "HSV"])
def test_every_mode_becomes_rgb(mode):
    image = Image.new(mode, (20, 12))
    assert np.asarray(prepare_image(image, S)).shape == (S, S, 3)


def test_cmyk_jpeg_and_animation(tmp_path):
    ink = Image.new("CMYK", (S, S), (0, 255, 255, 0))  # no cyan: red
    red = decode_file(saved(tmp_path, ink, "a.jpg"), S).reshape(-1, 3).mean(axis=0)
    assert red[0] > 200 and red[1:].max() < 60
    frames = [Image.new("RGB", (S, S), colour) for colour in ("white", "black")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert (decode_file(path, S) == 255).all()


def test_bad_files_say_why(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = saved(tmp_path, Image.fromarray(noise), "whole.jpg").read_bytes()
    bad = {
        "cut.jpg": (whole[: len(whole) // 2], "truncated"),
        "empty.png": (b"", r"empty \(0 bytes\)"),
        "text.png": (b"not a picture", "not an image"),
    }
    for name, (content, reason) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadImage, match=reason):
            decode_file(tmp_path / name, S)
    with pytest.raises(BadImage, match="FileNotFoundError"):
        decode_file(tmp_path / "nothing.png", S)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["png", "gif", "tiff", "webp", "jp2", "avif", "bmp", "ico"])
def test_damaged_files_raise_nothing_else(tmp_path, ending):
    rng = np.random.default_rng(2)
    name = f"a.{ending}"
    if f".{ending}" not in image_extensions():
        pytest.skip(f"this Pillow cannot read {ending}")
    whole = saved(tmp_path, Image.fromarray(PIXELS), name).read_bytes()
    failures = 0
    for _ in range(40):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 8):
            damaged[place] = rng.integers(0, 256)
        (tmp_path / name).write_bytes(damaged)
        try:
            decode_file(tmp_path / name, S)
        except BadImage:
            failures += 1
    assert failures > 0


def test_too_many_pixels(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.fromarray(PIXELS), "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(BadImage, match="too many pixels for Pillow's safety limit"):
        decode_file(path, S)


def test_extensions_are_those_pillow_can_read():
    assert {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif"} <= image_extensions()
    assert not {".pdf", ".txt", ".csv"} & image_extensions()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="not a regular file"):
        decode_file(tmp_path / "pipe.png", S)


def test_what_goes_wrong_with_an_opened_image_is_a_bad_image(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (S, S)), "a.png")
    with opened(path) as image:
        assert image.size == (S, S)
    with pytest.raises(BadImage, match="OSError: cut"), opened(path):
        raise OSError("cut")
    with pytest.raises(KeyboardInterrupt), opened(path):
        raise KeyboardInterrupt
