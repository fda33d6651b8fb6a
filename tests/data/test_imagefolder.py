"""A folder of images as a data set, cached or streamed, with images that cannot be read."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.arrays import IMAGENET_MEAN
from usb_ext.data.decode import prepare_image
from usb_ext.data.folder_scan import scan_folder
from usb_ext.data.imagefolder import load_scanned
from usb_ext.data.streamed import StreamedImages

S = 8
FILES = [
    "train/cat/photo.JPG",
    "train/cat/ä.png",
    "train/dog/a.webp",
    "train/new.bmp",
    "unlabeled/deep/b.tiff",
    "test/cat/t.gif",
    "test/dog/t.png",
]


def load_image_folder(root, classes=None, **named):
    return load_scanned(scan_folder(Path(root), classes), **named)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (*rng.integers(10, 40, 2), 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return tmp_path


def cut_in_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_cached_and_streamed_hold_the_same(folder):
    cached = load_image_folder(folder, img_size=S)
    streamed = load_image_folder(str(folder), img_size=S, budget_bytes=0)
    assert isinstance(cached.train_images, np.ndarray)
    assert isinstance(streamed.train_images, StreamedImages)
    for one, other in (
        (cached.train_images, streamed.train_images),
        (cached.test_images, streamed.test_images),
    ):
        assert one.shape == other.shape
        for i in range(len(one)):
            assert (one[i] == other[i]).all()
    assert cached.train_names == streamed.train_names == tuple(FILES[:5])
    assert cached.train_targets.tolist() == streamed.train_targets.tolist() == [0, 0, 1, -1, -1]
    assert cached.test_targets.tolist() == [0, 1]
    assert cached.classes == ("cat", "dog")
    assert cached.mean == IMAGENET_MEAN
    assert cached.hflip
    assert cached.skipped == {}


def test_each_image_is_its_prepared_file(folder):
    cached = load_image_folder(folder, img_size=S)
    for name, pixels in zip(cached.train_names, cached.train_images, strict=True):
        with Image.open(folder / name) as image:
            assert (np.asarray(prepare_image(image, S)) == pixels).all()


@pytest.mark.parametrize(("spare", "kind"), [(0, np.ndarray), (-1, StreamedImages)])
def test_budget_counts_every_byte_of_both_splits(folder, spare, kind):
    need = len(FILES) * S * S * 3
    arrays = load_image_folder(folder, img_size=S, budget_bytes=need + spare)
    assert isinstance(arrays.train_images, kind)


def test_bad_image_is_an_error_that_names_it(folder):
    cut_in_half(folder / "train/cat/photo.JPG")
    with pytest.raises(DataMissing, match=r"train/cat/photo\.JPG: .*truncated.*skip_bad_images"):
        load_image_folder(folder, img_size=S)
    (folder / "train/dog/a.webp").write_bytes(b"")
    (folder / "train/new.bmp").write_text("text")
    with pytest.raises(DataMissing, match=r"photo\.JPG.*\(and 2 more files\)"):
        load_image_folder(folder, img_size=S)


def test_streamed_bad_image_fails_at_access(folder):
    cut_in_half(folder / "train/cat/photo.JPG")
    arrays = load_image_folder(folder, img_size=S, budget_bytes=0)
    assert len(arrays.train_images) == 5
    assert arrays.train_images[1].shape == (S, S, 3)
    with pytest.raises(DataMissing, match=r"photo\.JPG"):
        arrays.train_images[0]


@pytest.mark.parametrize("budget", [0, 10**6])
def test_bad_images_can_be_skipped(folder, budget, caplog):
    whole = load_image_folder(folder, img_size=S)
    (folder / "test/cat/more.png").write_text("not an image")
    cut_in_half(folder / "train/cat/photo.JPG")
    (folder / "unlabeled/deep/b.tiff").write_bytes(b"")
    with caplog.at_level(logging.INFO):
        arrays = load_image_folder(folder, img_size=S, budget_bytes=budget, skip_bad_images=True)
    bad = ("train/cat/photo.JPG", "unlabeled/deep/b.tiff", "test/cat/more.png")
    assert tuple(arrays.skipped) == bad
    assert arrays.train_names == tuple(FILES[1:4])
    assert arrays.train_targets.tolist() == [0, 1, -1]
    for i in range(3):
        assert (arrays.train_images[i] == whole.train_images[i + 1]).all()
    assert len(arrays.test_images) == 2
    assert "photo.JPG" in caplog.text
    assert "decoding 5 images" in caplog.text


def test_skipping_everything_is_an_error(folder):
    for name in ("cat/t.gif", "dog/t.png"):
        (folder / "test" / name).write_bytes(b"")
    with pytest.raises(DataMissing, match=r"t\.gif.*1 more.*leaves no image"):
        load_image_folder(folder, img_size=S, skip_bad_images=True)


def test_classes_from_labels_and_settings(folder):
    arrays = load_image_folder(folder, img_size=S, classes=["bee", "cat"])
    assert arrays.classes == ("bee", "cat", "dog")
    assert arrays.train_targets.tolist() == [1, 1, 2, -1, -1]
    with pytest.raises(SettingsError, match="img_size is 0"):
        load_image_folder(folder, img_size=0)
    with pytest.raises(DataMissing, match="no folder"):
        load_image_folder(folder / "nowhere", img_size=S)
