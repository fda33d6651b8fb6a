"""Files and folders of a command line."""

from pathlib import Path

import pytest
from support.images import picture

from usb_ext.core.errors import DataMissing
from usb_ext.serving.places import find_images


def test_folders_at_any_depth_and_files_as_they_are(tmp_path: Path) -> None:
    names = ["b.png", "a/deep/x.PNG", "a/y.jpg"]
    paths = [picture(tmp_path / "photos" / name) for name in names]
    other = picture(tmp_path / "lone.png").rename(tmp_path / "lone")  # no ending, but named
    (tmp_path / "photos" / "notes.txt").touch()
    found = find_images([other, tmp_path / "photos"])
    assert list(found.files) == [str(other), *(str(paths[i]) for i in (1, 2, 0))]
    assert found.remarks == ["passed over: 1 .txt (no images)"]


def test_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "photos" / "a.png")
    monkeypatch.chdir(tmp_path)
    found = find_images([path, "photos", "photos/a.png"])
    assert found.files == (str(path),)


def test_nothing_there_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="none does not exist"):
        find_images([picture(tmp_path / "a.png"), tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.heix").touch()
    with pytest.raises(DataMissing, match=r"no images in .*empty \(passed over: 1 \.heix"):
        find_images([tmp_path / "empty"])
