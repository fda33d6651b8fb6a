"""Many files decoded by threads land in their order."""

import numpy as np
from PIL import Image

from usb_ext.data.decode import decode_all

S = 4


def test_many_files_land_in_order_and_bad_ones_are_listed(tmp_path):
    """150 files, more than two chunks; image i is filled with the colour i."""
    paths = []
    for i in range(150):
        path = tmp_path / f"{i}.png"
        Image.new("L", (S, S), i).save(path)
        paths.append(str(path))
    for i in (5, 70, 149):
        (tmp_path / f"{i}.png").write_bytes(b"")
    out = np.full((150, S, S, 3), 255, np.uint8)
    bad = decode_all(paths, S, out)
    assert list(bad) == [5, 70, 149]
    assert "empty" in bad[5]
    for i in range(150):
        assert (out[i] == (255 if i in bad else i)).all()
    assert decode_all(paths, S) == bad


def test_no_files():
    assert decode_all([], S) == {}
