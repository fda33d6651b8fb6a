"""Names in folders: hidden ones and other files are passed over, links followed once."""

import os
from pathlib import Path

import pytest

from usb_ext.core.errors import DataMissing
from usb_ext.data.image_files import images_below, images_directly_in, subfolders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/1.png", "b/deep/2.JPG", "b/note.txt", "a/.3.png", ".c/4.png", "5.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_folders_are_sorted_and_hidden_ones_left_out(folder: Path) -> None:
    assert [p.name for p in subfolders(folder)] == ["a", "b"]


def test_images_of_a_folder_and_below_it(folder: Path) -> None:
    assert images_directly_in(folder) == [(str(folder / "5.gif"), 0)]
    below = {os.path.relpath(path, folder) for path, _ in images_below(folder)}
    assert below == {"5.gif", "b/1.png", "b/deep/2.JPG"}


def test_a_circle_of_links_ends(folder: Path) -> None:
    os.symlink(folder, folder / "b" / "again")
    assert len(images_below(folder / "b")) == 3  # its own two, and 5.gif through the link


def test_a_folder_that_cannot_be_read_is_named(folder: Path) -> None:
    with pytest.raises(DataMissing, match="cannot read .*gone"):
        images_below(folder / "gone")
