"""Copies in class folders: nothing that is there is changed."""

import os
from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.serving import sort
from usb_ext.serving.sort import check_sort_folder, sort_into


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def sources(tmp_path: Path) -> list[tuple[str, str]]:
    found = []
    for place, name in (("x", "cat"), ("y", "cat"), ("z", "dog")):
        path = tmp_path / place / "1.jpg"
        path.parent.mkdir()
        path.write_text(place)
        found.append((str(path), name))
    return found


def test_names_that_meet_get_numbers_and_a_second_call_copies_nothing(
    tmp_path: Path, sources: list[tuple[str, str]]
) -> None:
    out = tmp_path / "out"
    assert sort_into(out, sources) == (3, 0)
    expected = {"cat/1.jpg": b"x", "cat/1_2.jpg": b"y", "dog/1.jpg": b"z"}
    assert contents(out) == expected
    assert sort_into(out, sources) == (0, 3)
    assert contents(out) == expected
    assert [Path(path).read_text() for path, _ in sources] == ["x", "y", "z"]


def test_what_others_put_there_stays(tmp_path: Path, sources: list[tuple[str, str]]) -> None:
    out = tmp_path / "out"
    (out / "cat").mkdir(parents=True)
    (out / "cat" / "1.jpg").write_text("somebody's")
    (out / "cat" / "1_2.jpg").symlink_to(out / "nothing")
    assert sort_into(out, sources[:1]) == (1, 0)
    assert (out / "cat" / "1.jpg").read_text() == "somebody's"
    assert (out / "cat" / "1_2.jpg").is_symlink() and not (out / "nothing").exists()
    assert (out / "cat" / "1_3.jpg").read_text() == "x"


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_meanwhile(
    tmp_path: Path, sources: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Another process writes the same name between the look and the copy."""
    real = sort.shutil.copy2

    def copy(source: Path, part: Path) -> None:
        real(source, part)
        taken = part.parent / "1.jpg"
        if not taken.exists():
            taken.write_text("other")

    def link(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(sort.shutil, "copy2", copy)
    if not links:
        monkeypatch.setattr(os, "link", link)
    assert sort_into(tmp_path / "out", sources[:1]) == (1, 0)
    assert contents(tmp_path / "out") == {"cat/1.jpg": b"other", "cat/1_2.jpg": b"x"}


def test_folders_that_copies_may_not_go_to(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "file").touch()
    check_sort_folder(tmp_path / "out", ["a", "Ähre", "a b"], [tmp_path / "photos"])
    for folder in (tmp_path / "photos", tmp_path / "photos" / "sorted"):
        with pytest.raises(SettingsError, match="a later call would take the copies"):
            check_sort_folder(folder, ["a"], [tmp_path / "photos"])
    with pytest.raises(SettingsError, match="is a file"):
        check_sort_folder(tmp_path / "file", ["a"], [])
    for name in ("..", "a/b", "", "a\\b"):
        with pytest.raises(SettingsError, match="cannot be a folder's name"):
            check_sort_folder(tmp_path / "out", ["a", name], [])
