"""Decoded images in a mapped file: what is taken is what was written, also in another process."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from usb_ext.core.errors import DataMissing
from usb_ext.data.mapped_pixels import MappedPixels, bytes_of, read_written, write_pixels


def written(path: Path, images: np.ndarray, *sizes: int) -> MappedPixels:
    """A file of these images, written in parts of these sizes."""
    count, size = images.shape[:2]
    parts = np.split(images, np.cumsum(sizes)[:-1])
    write_pixels(path, parts, lambda: {"images": count, "img_size": size, "more": "ä"})
    return MappedPixels(read_written(path, "R"), [f"{i}.png" for i in range(count)], "R")


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 5, 5, 3), dtype=np.uint8)


def test_what_is_taken_is_what_was_written(tmp_path: Path, images: np.ndarray) -> None:
    """75 bytes an image: the checksums behind them begin at no multiple of four."""
    mapped = written(tmp_path / "pixels", images, 3, 1, 3)
    for rows in ([6, 0, 6], [], [3]):
        positions = np.array(rows, dtype=np.int64)
        assert (mapped.take(positions) == images[positions]).all()
    assert mapped.written.record["more"] == "ä"
    size = (tmp_path / "pixels").stat().st_size
    assert 0 < size - bytes_of(7, 5) < 300
    assert bytes_of(7, 5) >= images.nbytes


def test_a_copy_in_hand_does_not_change_the_file(tmp_path: Path, images: np.ndarray) -> None:
    mapped = written(tmp_path / "pixels", images, 7)
    mapped.take(np.array([2]))[...] = 0
    assert (mapped.take(np.array([2]))[0] == images[2]).all()


def test_a_pickle_holds_no_pixels(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), dtype=np.uint8)
    text = pickle.dumps(written(tmp_path / "pixels", images, 50))
    assert len(text) < images.nbytes / 10
    assert (pickle.loads(text).take(np.arange(50)) == images).all()


def test_a_file_that_has_gone_is_named(tmp_path: Path, images: np.ndarray) -> None:
    mapped = written(tmp_path / "pixels", images, 7)
    (tmp_path / "pixels").unlink()
    assert (mapped.take(np.arange(7)) == images).all()  # what is open stays
    with pytest.raises(DataMissing, match="pixels cannot be mapped.*; R"):
        MappedPixels(mapped.written, mapped.names, "R")
    with pytest.raises(DataMissing, match="pixels cannot be used.*; R"):
        read_written(tmp_path / "pixels", "R")
