"""Features made by several processes: the bits are those of one, also after a stop and on another number."""

from pathlib import Path

import pytest
from support.images import folder_of_images
from support.kept_features import kept
from support.processes import in_processes

FILES = ("views.npy", "features.npz", "test_targets.npy", "data.json")


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """300 images to train with, five blocks; 70 to test, two blocks."""
    return str(folder_of_images(tmp_path / "photos", train=150, test=35))


def test_the_bits_are_those_of_one_process_and_the_work_is_shared(
    photos: str, tmp_path: Path
) -> None:
    alone, both, cut = (tmp_path / name for name in ("alone", "both", "cut"))
    assert kept(photos, str(alone)) == (0, 8)  # one block more, the trial
    assert in_processes(2, kept, photos, str(both), join=False) == [(0, 5), (0, 3)]
    stopped = in_processes(3, kept, photos, str(cut), 1, join=False)
    assert [code for code, _ in stopped] == [143] * 3
    assert in_processes(2, kept, photos, str(cut), join=False) == [(0, 2), (0, 2)]
    for name in FILES:
        whole = (alone / name).read_bytes()
        assert whole == (both / name).read_bytes() == (cut / name).read_bytes(), name
