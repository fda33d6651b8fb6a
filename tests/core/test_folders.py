"""A run's folder: what may start in it, be continued, be replaced, and what is never touched."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from usb_ext.core import folders
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.core.folders import (
    MARKER,
    PRETRAIN,
    check_run_folder,
    drop_replaced,
    holding,
    occupied,
    read_marker,
)

FLAGS = [(resume, overwrite) for resume in (False, True) for overwrite in (False, True)]
RESULT = json.dumps({"status": "completed", "config_sha256": "0" * 64})


def put(path: Path, *names: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).write_text(RESULT if name == "result.json" else f"old {name}")
    return path


def contents(path: Path) -> dict[str, str]:
    files = (p for p in path.rglob("*") if p.is_file() and p.name != ".usb_ext.lock")
    return {str(p.relative_to(path)): p.read_text(errors="replace") for p in files}


def start(path: Path, resume: bool = False, overwrite: bool = False, found: bool = False) -> None:
    """What a run does first."""
    with holding(path, resume=resume, overwrite=overwrite) as hold:
        assert hold.open(found=found) == RunFolder(path)


def made(path: Path, *names: str) -> Path:
    """The folder of a run of this version."""
    start(path)
    return put(path, *names)


def our_checkpoint(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("latest_model/data.pkl", b"\x80\x02}X\x07usb_extq")


@pytest.mark.parametrize(("resume", "overwrite"), FLAGS)
def test_a_new_or_empty_folder_is_made_and_marked(
    tmp_path: Path, resume: bool, overwrite: bool
) -> None:
    for path in (tmp_path / "a" / "b" / "run", put(tmp_path / "empty")):
        start(path, resume, overwrite)
        assert [p.name for p in path.iterdir()] == [MARKER]
        assert read_marker(path)["stage"] == "train" and not occupied(path)


OWN_FILES = ["config.yaml", "metrics.jsonl", "labelled.json", "calibration.json", "log.txt"]


@pytest.mark.parametrize(("resume", "overwrite"), FLAGS)
@pytest.mark.parametrize("name", [*OWN_FILES, "thesis.tex", "result.json", "model_best.pth"])
def test_files_of_a_person_are_refused_untouched_and_named(
    tmp_path: Path, name: str, resume: bool, overwrite: bool
) -> None:
    path = put(tmp_path / "exp1")
    (path / name).write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(SettingsError) as caught:
        start(path, resume, overwrite)
    assert contents(tmp_path) == before and occupied(path)
    assert name in str(caught.value) and str(path) in str(caught.value)
    assert "--save_name" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [["result.json"], ["latest_model.pth", "log.txt"]])
def test_without_a_flag_a_run_is_refused_untouched(tmp_path: Path, names: list[str]) -> None:
    path = made(tmp_path / "run", *names)
    before = contents(path)
    with pytest.raises(SettingsError, match="exists already") as caught:
        start(path)
    assert contents(path) == before
    for word in (str(path), "--resume", "--overwrite", "--save_name"):
        assert word in str(caught.value)


@pytest.mark.parametrize("checkpoint", ["latest_model.pth", "previous_model.pth"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_resume_keeps_a_folder_with_a_checkpoint_even_if_it_may_be_overwritten(
    tmp_path: Path, checkpoint: str, overwrite: bool
) -> None:
    path = made(tmp_path / "run", checkpoint, "result.json", "metrics.jsonl")
    before = contents(path)
    start(path, True, overwrite, found=True)
    assert contents(path) == before


def test_a_checkpoint_that_came_meanwhile_is_not_trained_over(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with holding(path, resume=True, overwrite=False) as hold:
        made(path, "latest_model.pth")
        with pytest.raises(SettingsError, match="another run has been there"):
            hold.open(found=False)
    assert (path / "latest_model.pth").read_text() == "old latest_model.pth"


@pytest.mark.parametrize(("resume", "overwrite"), FLAGS)
def test_what_a_run_without_a_checkpoint_left_is_in_nobodys_way(
    tmp_path: Path, resume: bool, overwrite: bool
) -> None:
    left = (
        "config.yaml",
        "labelled.json",
        "validation.json",
        "metrics.jsonl",
        "metrics_gen_0.jsonl",
    )
    path = made(tmp_path / "run", *left, "log.txt", ".latest_model.pth.part", "notes.txt")
    start(path, resume, overwrite)
    assert sorted(contents(path)) == [MARKER, "log.txt", "notes.txt"]


def test_resume_does_not_write_over_a_result_without_a_checkpoint(tmp_path: Path) -> None:
    path = made(tmp_path / "run", "result.json")
    before = contents(path)
    with pytest.raises(SettingsError, match="exists already"):
        start(path, resume=True)
    assert contents(path) == before


def test_overwrite_moves_a_run_aside_until_the_first_checkpoint(tmp_path: Path) -> None:
    path = made(tmp_path / "run", "latest_model.pth", "result.json", "config.yaml")
    put(path / "tensorboard", "events.out.tfevents.1.host")
    beside = made(tmp_path / "other", "result.json")
    before = contents(path)
    start(path, overwrite=True)
    assert sorted(contents(path)) == [MARKER]
    (kept,) = tmp_path.glob("run.replaced-*")
    assert contents(kept) == before
    drop_replaced(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other", "run"]
    assert (beside / "result.json").exists() and read_marker(path)["replaces"] == []


def test_what_an_earlier_attempt_has_moved_aside_goes_too(tmp_path: Path) -> None:
    """Killed between the renaming and the new marker, or before the first checkpoint."""
    path = made(tmp_path / "run", "latest_model.pth")
    path.rename(tmp_path / "run.replaced-20260101-000000")
    mine = put(tmp_path / "run.replaced-by-hand", "notes.txt")
    start(path)
    drop_replaced(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "run.replaced-by-hand"]
    assert contents(mine) == {"notes.txt": "old notes.txt"}


def test_a_file_that_came_into_the_replaced_folder_keeps_it(tmp_path: Path) -> None:
    path = made(tmp_path / "run", "latest_model.pth")
    start(path, overwrite=True)
    (kept,) = tmp_path.glob("run.replaced-*")
    put(kept, "notes.txt")
    drop_replaced(path)
    assert (kept / "notes.txt").exists() and (kept / "latest_model.pth").exists()


@pytest.mark.parametrize(
    "strange", ["thesis.tex", "data/img.png", "tensorboard/mine.txt", "model_best.pth/x", ".env"]
)
def test_overwrite_refuses_what_no_run_writes_and_names_it(tmp_path: Path, strange: str) -> None:
    path = made(tmp_path / "run", "result.json")
    put((path / strange).parent)
    (path / strange).write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(SettingsError, match="did not write") as caught:
        start(path, overwrite=True)
    assert strange.split("/")[0] in str(caught.value)
    assert contents(tmp_path) == before


def test_overwrite_refuses_the_working_folder_home_and_what_holds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "run", "result.json")
    inside = put(path / "tensorboard")
    before = contents(tmp_path)
    for place in (path, inside):
        monkeypatch.chdir(place)
        with pytest.raises(SettingsError, match="the working folder"):
            start(path, overwrite=True)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(place))
        with pytest.raises(SettingsError, match="your home folder"):
            start(path, overwrite=True)
        monkeypatch.setenv("HOME", "/nowhere")
    assert contents(tmp_path) == before


def test_a_link_is_not_followed_by_overwrite(tmp_path: Path) -> None:
    target = made(tmp_path / "target", "result.json")
    (tmp_path / "run").symlink_to(target)
    before = contents(target)
    with pytest.raises(SettingsError, match="does not follow links"):
        start(tmp_path / "run", overwrite=True)
    assert contents(target) == before and (tmp_path / "run").is_symlink()


@pytest.mark.parametrize(("resume", "overwrite"), FLAGS)
def test_the_folder_of_another_stage_is_refused(
    tmp_path: Path, resume: bool, overwrite: bool
) -> None:
    with holding(tmp_path / "ssl", resume=False, overwrite=False, stage=PRETRAIN) as hold:
        hold.open(found=False)
    path = put(tmp_path / "ssl", "latest_model.pth")
    before = contents(path)
    with pytest.raises(SettingsError, match="the folder of a pre-training"):
        start(path, resume, overwrite)
    assert contents(path) == before


@pytest.mark.parametrize("witness", ["result.json", "latest_model.pth", "model_best.pth"])
def test_a_run_of_an_older_version_is_recognised(tmp_path: Path, witness: str) -> None:
    path = put(tmp_path / "run", "config.yaml", "log.txt")
    if witness == "result.json":
        put(path, witness)
    else:
        our_checkpoint(path / witness)
    with pytest.raises(SettingsError, match="exists already"):
        start(path)
    start(path, overwrite=True)
    assert sorted(contents(path)) == [MARKER]
    drop_replaced(path)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(("resume", "overwrite"), FLAGS)
def test_a_file_in_its_place_is_refused_and_kept(
    tmp_path: Path, resume: bool, overwrite: bool
) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(SettingsError, match="cannot be made"):
            start(path, resume, overwrite)
        assert (tmp_path / "file").read_text() == "mine"


def test_two_runs_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with holding(path, resume=True, overwrite=False) as first:
        first.open(found=False)
        with (
            pytest.raises(RunFailed, match=rf"in use: a run \(process {os.getpid()} on "),
            holding(path, resume=True, overwrite=True),
        ):
            pass
    start(path)


def test_a_run_that_replaces_holds_the_new_folder_too(tmp_path: Path) -> None:
    path = made(tmp_path / "run", "result.json")
    with holding(path, resume=False, overwrite=True) as hold:
        hold.open(found=False)
        with pytest.raises(RunFailed, match="in use"), holding(path, resume=False, overwrite=False):
            pass


def test_a_check_touches_nothing(tmp_path: Path) -> None:
    check_run_folder(tmp_path / "none", resume=False, overwrite=True)
    with holding(tmp_path / "none", resume=False, overwrite=False):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_marker_protects_the_folder(tmp_path: Path) -> None:
    path = made(tmp_path / "run", "config.yaml")
    (path / MARKER).write_text("{")
    with pytest.raises(SettingsError, match=r"config\.yaml"):
        start(path, overwrite=True)


def test_every_name_of_a_run_is_known() -> None:
    folder = RunFolder(Path("run"))
    names = [value.name for n in dir(RunFolder) if isinstance(value := getattr(folder, n), Path)]
    assert set(names) - {"run"} <= folders.KNOWN


@pytest.mark.parametrize(
    "wrong", [{"replaces": 10**30}, {"files": "a"}, {"files": [3]}, {"replaces": None}]
)
def test_a_marker_with_values_of_another_kind_is_none(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    """What may be removed or written over hangs on its lists."""
    whole = {"made_by": "usb_ext", "stage": "train", "files": ["a"], "replaces": []}
    (tmp_path / MARKER).write_text(json.dumps(whole))
    assert read_marker(tmp_path) == whole
    (tmp_path / MARKER).write_text(json.dumps({**whole, **wrong}))
    assert read_marker(tmp_path) == {}
