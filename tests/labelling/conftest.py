"""A few images of several formats and the table that asks for them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from usb_ext.labelling.table import new_table

NAMES = ("a/one.png", "a/two.jpg", "three.tif", "vier ü.webp", "five.bmp")


class Asked(NamedTuple):
    images: Path
    table: Path

    @property
    def lines(self) -> list[str]:
        return self.table.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    images, table = tmp_path / "photos", tmp_path / "labels" / "to_label.csv"
    (images / "a").mkdir(parents=True)
    table.parent.mkdir()
    rng = np.random.default_rng(0)
    for name in NAMES:
        pixels = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / name)
    new_table(table, NAMES)
    return Asked(images, table)
