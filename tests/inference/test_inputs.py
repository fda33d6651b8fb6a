"""What counts as an example, and how each is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.decode import BadImage
from usb_ext.data.preprocessing import ImagePreprocessing, PointPreprocessing
from usb_ext.inference.inputs import is_file_name, listed, read, read_or_refuse

SIX = ImagePreprocessing(6, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
POINTS = PointPreprocessing(2)


def test_one_is_a_list_of_one(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 4))
    pixels = np.zeros((4, 5, 3), np.uint8)
    assert listed("a.png", SIX) == ["a.png"] and listed(tmp_path, SIX) == [tmp_path]
    assert listed(image, SIX) == [image]
    assert [one.shape for one in listed(pixels, SIX)] == [(4, 5, 3)]  # type: ignore[union-attr]
    assert [one.shape for one in listed(np.stack([pixels] * 2), SIX)] == [(4, 5, 3)] * 2  # type: ignore[union-attr]
    assert len(listed(np.zeros(2), POINTS)) == 1 and len(listed(np.zeros((5, 2)), POINTS)) == 5
    assert list(listed([image, "b.png"], SIX)) == [image, "b.png"]


def test_a_file_an_image_and_an_array_are_the_same(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    expected = SIX(Image.fromarray(pixels))
    for one in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(pixels), pixels):
        assert torch.equal(read(one, SIX), expected)
    assert is_file_name("a") and is_file_name(tmp_path) and not is_file_name(pixels)


def test_points_are_no_files() -> None:
    assert read(np.array([1.0, 2.0]), POINTS).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="points of 2 numbers, got a file name"):
        read("a.png", POINTS)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(BadImage):
        read(tmp_path / "bad.png", SIX)
    with pytest.raises(DataMissing, match=r"cannot decode .*bad\.png: not an image that Pillow"):
        read_or_refuse(0, tmp_path / "bad.png", SIX)
    with pytest.raises(DataMissing, match="No such file"):
        read_or_refuse(0, tmp_path / "none.png", SIX)
    with pytest.raises(SettingsError, match=r"images: number 3 .*uint8 of shape \(H, W, 3\)"):
        read_or_refuse(3, np.zeros((4, 4, 3)), SIX)
    with pytest.raises(SettingsError, match="number 0 .*2 numbers"):
        read_or_refuse(0, np.zeros(3), POINTS)
