"""Files that are whole or not there, and their names in a run's folder."""

import json
import math
import os
from pathlib import Path

import pytest

from usb_ext.core.errors import DataMissing, RunFailed
from usb_ext.core.files import RunFolder, check_is_run, cut_lines, replace_file, write_json


def contents(path: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in path.iterdir()}


def test_file_names_are_those_users_are_told() -> None:
    folder = RunFolder(Path("saved") / "run")
    names = [getattr(folder, n).name for n in ("config", "model", "log", "metrics", "result")]
    assert names == ["config.yaml", "model.json", "log.txt", "metrics.jsonl", "result.json"]
    models = [folder.latest, folder.previous, folder.best]
    assert [p.name for p in models] == ["latest_model.pth", "previous_model.pth", "model_best.pth"]
    assert {p.parent for p in models} == {Path("saved/run")}


def test_replace_file_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    seen = {}

    def write(temporary: Path) -> None:
        temporary.write_text("new")
        seen.update(folder=temporary.parent, at_that_time=path.read_text())

    replace_file(path, write)
    assert seen == {"folder": tmp_path, "at_that_time": "old"}
    assert contents(tmp_path) == {"file": "new"}


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_writer_that_raises_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("ne")
        raise error

    ours = RunFailed if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(ours):
        replace_file(path, write)
    assert contents(tmp_path) == {"file": "old"}


def test_content_is_flushed_before_the_name_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    replace_file(tmp_path / "file", lambda path: path.write_text("x") and None)
    assert order == ["fsync", "replace"]


def test_json_is_replaced_whole_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"a": [1, None, 0.5], "ü": "ä"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, None, 0.5], "ü": "ä"}
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": math.nan})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text(encoding="utf-8"))["a"] == [1, None, 0.5]
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("content", "size", "left"),
    [
        ("a\nb\nc\n", 4, "a\nb\n"),  # written after the checkpoint
        ("a\nb\n", 4, "a\nb\n"),
        ("a\nbb", 7, "a\n"),  # cut in a line
        ("aa", 7, ""),
        ("", 7, ""),
        ("a\n", 0, ""),
    ],
)
def test_a_file_is_cut_to_whole_lines(tmp_path: Path, content: str, size: int, left: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(content)
    cut_lines(path, size)
    assert path.read_text() == left
    cut_lines(tmp_path / "none", size)
    assert not (tmp_path / "none").exists()


def test_a_runs_folder_is_one_with_its_settings(tmp_path: Path) -> None:
    place = RunFolder(tmp_path / "run")
    with pytest.raises(DataMissing, match=r"run does not exist; .*save_name, or a cat$"):
        check_is_run(place, ", or a cat")
    place.path.mkdir()
    with pytest.raises(DataMissing, match=r"run holds no config\.yaml; .*save_name$"):
        check_is_run(place)
    place.config.touch()
    check_is_run(place)
