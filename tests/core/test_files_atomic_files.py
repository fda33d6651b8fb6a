"""The run folder: what may be continued, what may be deleted, and files that are whole or not there."""

import json
import math
import os
from pathlib import Path

import pytest

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.files import RunFolder, open_run_folder, replace_file, write_json

FLAGS = [(resume, overwrite) for resume in (False, True) for overwrite in (False, True)]


def occupied(path: Path, *names: str) -> Path:
    path.mkdir(parents=True)
    for name in names:
        (path / name).write_text(f"old {name}")
    return path


def contents(path: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in path.iterdir()}


@pytest.mark.parametrize(("resume", "overwrite"), FLAGS)
def test_a_new_or_empty_folder_is_made(tmp_path: Path, resume: bool, overwrite: bool) -> None:
    for path in (tmp_path / "a" / "b" / "run", occupied(tmp_path / "empty")):
        folder = open_run_folder(path, resume=resume, overwrite=overwrite)
        assert folder == RunFolder(path)
        assert path.is_dir() and not folder.occupied()


@pytest.mark.parametrize("names", [["result.json"], ["latest_model.pth", "log.txt"], ["mine"]])
def test_without_a_flag_an_occupied_folder_is_refused_untouched(
    tmp_path: Path, names: list[str]
) -> None:
    path = occupied(tmp_path / "run", *names)
    before = contents(path)
    with pytest.raises(SettingsError) as caught:
        open_run_folder(path, resume=False, overwrite=False)
    assert contents(path) == before
    for word in (str(path), "--resume", "--overwrite", "--save_name"):
        assert word in str(caught.value)


@pytest.mark.parametrize("checkpoint", ["latest_model.pth", "previous_model.pth"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_resume_keeps_a_folder_with_a_checkpoint_even_if_it_may_be_overwritten(
    tmp_path: Path, checkpoint: str, overwrite: bool
) -> None:
    path = occupied(tmp_path / "run", checkpoint, "result.json", "metrics.jsonl")
    before = contents(path)
    open_run_folder(path, resume=True, overwrite=overwrite)
    assert contents(path) == before


@pytest.mark.parametrize(("resume", "overwrite"), FLAGS)
def test_what_an_attempt_without_a_checkpoint_left_is_in_nobodys_way(
    tmp_path: Path, resume: bool, overwrite: bool
) -> None:
    path = occupied(tmp_path / "run", "config.yaml", "log.txt", ".latest_model.pth.part")
    before = contents(path)
    assert not open_run_folder(path, resume=resume, overwrite=overwrite).occupied()
    assert contents(path) == before


def test_resume_does_not_write_over_a_result_without_a_checkpoint(tmp_path: Path) -> None:
    path = occupied(tmp_path / "run", "result.json")
    with pytest.raises(SettingsError, match="exists already"):
        open_run_folder(path, resume=True, overwrite=False)
    assert contents(path) == {"result.json": "old result.json"}


@pytest.mark.parametrize(
    ("resume", "names"),
    [(False, ["latest_model.pth", "result.json"]), (True, ["result.json", "log.txt"])],
)
def test_overwrite_empties_what_is_not_continued(
    tmp_path: Path, resume: bool, names: list[str]
) -> None:
    path = occupied(tmp_path / "run", *names)
    beside = occupied(tmp_path / "other", "result.json")
    occupied(path / "tensorboard", "events")
    open_run_folder(path, resume=resume, overwrite=True)
    assert path.is_dir() and list(path.iterdir()) == []
    assert contents(beside) == {"result.json": "old result.json"}


@pytest.mark.parametrize(("resume", "overwrite"), FLAGS)
def test_a_file_in_its_place_is_refused_and_kept(
    tmp_path: Path, resume: bool, overwrite: bool
) -> None:
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(SettingsError, match="cannot be made"):
            open_run_folder(path, resume=resume, overwrite=overwrite)
        assert (tmp_path / "file").read_text() == "mine"


def test_a_link_to_a_folder_is_not_followed_by_overwrite(tmp_path: Path) -> None:
    target = occupied(tmp_path / "target", "result.json")
    (tmp_path / "run").symlink_to(target)
    with pytest.raises(SettingsError, match="save_dir/save_name is"):
        open_run_folder(tmp_path / "run", resume=False, overwrite=True)
    assert contents(target) == {"result.json": "old result.json"}


def test_file_names_are_those_users_are_told() -> None:
    folder = RunFolder(Path("saved") / "run")
    names = [getattr(folder, n).name for n in ("config", "log", "metrics", "result")]
    assert names == ["config.yaml", "log.txt", "metrics.jsonl", "result.json"]
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


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError("no space left"), RunFailed),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (RuntimeError("a bug"), RuntimeError),
    ],
)
def test_a_writer_that_raises_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, error: BaseException, kind: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("ne")
        raise error

    with pytest.raises(kind):
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
