"""Images that are decoded when asked for, selected as an array is."""

import pickle

import numpy as np
import pytest
from PIL import Image

from usb_ext.core.errors import DataMissing
from usb_ext.data.streamed import StreamedImages


@pytest.fixture
def streamed(tmp_path):
    """Ten images; image i is filled with the colour 20 * i."""
    paths = []
    for i in range(10):
        path = tmp_path / f"{i}.png"
        Image.new("RGB", (6, 5), (20 * i,) * 3).save(path)
        paths.append(str(path))
    return StreamedImages(tuple(paths), 4)


def colours(images):
    return [int(images[i][0, 0, 0]) // 20 for i in range(len(images))]


def test_looks_like_an_array(streamed):
    assert streamed.shape == (10, 4, 4, 3)
    assert len(streamed) == 10
    one = streamed[np.int64(3)]
    assert one.dtype == streamed.dtype == np.uint8
    assert (one == np.full((4, 4, 3), 60)).all()
    assert (streamed[-1] == 180).all()
    assert np.stack(list(streamed)).shape == streamed.shape
    with pytest.raises(IndexError):
        streamed[10]


@pytest.mark.parametrize(
    "key", [np.array([7, 1, 1]), [4, 2], slice(2, 5), slice(None, None, -3), np.arange(10) % 2 == 0]
)
def test_selections_agree_with_numpy(streamed, key):
    wanted = np.arange(10)[key].tolist()
    chosen = streamed[key]
    assert colours(chosen) == wanted
    assert chosen.paths is streamed.paths
    assert colours(chosen[::-1]) == wanted[::-1]


def test_nothing_is_decoded_before_it_is_asked_for(tmp_path):
    lazy = StreamedImages((str(tmp_path / "gone.png"),), 4)
    assert lazy[[0]].shape == (1, 4, 4, 3)
    with pytest.raises(DataMissing, match=r"gone\.png: .*skip_bad_images"):
        lazy[0]


def test_pickles(streamed):
    assert colours(pickle.loads(pickle.dumps(streamed[[3, 8]]))) == [3, 8]
