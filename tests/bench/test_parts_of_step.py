"""Where the time of a step goes, and what grows with the work."""

from pathlib import Path

import numpy as np
import pytest
from support.bench import CPU, TINY

from usb_ext.bench import cases
from usb_ext.bench.parts_of_step import PARTS, breakdown, mapped_images, points


@pytest.mark.parametrize("who", ["usb", "ours"])
def test_parts_of_a_step_add_up(who: str) -> None:
    made = (
        cases.build_usb(TINY, CPU, 0) if who == "usb" else cases.build_ours(TINY, "fixmatch", CPU)
    )
    parts = breakdown(TINY, made, CPU)
    assert tuple(parts) == PARTS
    assert all(value >= 0 for value in parts.values())
    assert min(parts["data"], parts["forward"], parts["backward"], parts["optimizer"]) > 0


def test_images_of_a_mapped_file(tmp_path: Path) -> None:
    images = mapped_images(tmp_path / "i.npy", 2500, 4)
    assert isinstance(images, np.memmap) and images.shape == (2500, 4, 4, 3)
    np.testing.assert_array_equal(images[2300], images[300])


def test_a_million_images_take_no_room_on_the_disk(tmp_path: Path) -> None:
    """28 GB, of which a thousand images of 27,648 bytes are written."""
    images = mapped_images(tmp_path / "i.npy", 1_000_000, 96)
    assert images.shape == (1_000_000, 96, 96, 3)
    status = (tmp_path / "i.npy").stat()
    assert status.st_size > 27_648_000_000 and status.st_blocks * 512 < 2 * 27_648_000
    assert images[999].std() > 60 and not images[1000].any() and not images[-1].any()


def test_scale_reaches_a_million_images_of_96_pixels() -> None:
    sizes = [(p.num_images, p.img_size) for varies, p in points(TINY) if varies == "num_images"]
    assert sizes == [(1_000, 96), (10_000, 96), (100_000, 96), (1_000_000, 96)]
