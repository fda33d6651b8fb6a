"""`compare --status`: where each run stands, by its files, its lock and its job."""

import json
import os
from pathlib import Path

import pytest
from support.compare import leave, planned

from usb_ext.comparison import job_record
from usb_ext.comparison.job_record import Job, write_jobs
from usb_ext.comparison.plan import Failures, Planned
from usb_ext.comparison.processes import files_of
from usb_ext.comparison.status import status
from usb_ext.core.errors import DataMissing, RunFailed
from usb_ext.settings import resolved_yaml


def begun(run: Planned, *rows: tuple[int, float]) -> None:
    """A run's folder with lines of steps and seconds, and a checkpoint."""
    place = run.folder.path
    place.mkdir(parents=True)
    (place / ".usb_ext.json").write_text('{"made_by": "usb_ext", "format": 1, "stage": "train"}')
    (place / "config.yaml").write_text(resolved_yaml(run.settings))
    lines = [json.dumps({"it": it, "time": time, "lr": 0.1}) for it, time in rows]
    (place / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (place / "latest_model.pth").touch()


def held(run: Planned, pid: int, host: str = os.uname().nodename) -> None:
    said = {"what": "a run", "pid": pid, "host": host, "started": "today"}
    (run.folder.path / ".usb_ext.lock").write_text(json.dumps(said))


def line_of(text: str, run: Planned) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(f"{run.name} ")).split()[1:]


def test_runs_stand_where_their_files_say(tmp_path: Path) -> None:
    """Steps are left at the pace of the last two lines: 60 steps of a tenth of a second."""
    done, running, stopped, waiting, failed = plan = planned(tmp_path, "uda", seeds=(0, 1, 2, 3, 4))
    for run in plan:
        files_of(run, tmp_path)
    leave(done.settings, 0.875)
    begun(running, (10, 9.0), (20, 15.0), (40, 17.0))
    held(running, os.getpid())
    begun(stopped, (50, 3.0))
    begun(failed, (30, 1.0))
    Failures(tmp_path / "failed.json").add(failed, "failed: the loss is not finite")
    (tmp_path / "logs" / f"{failed.name}.txt").write_text("one\ntwo\n\nthree\nusb-ext: bad\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    said = status(tmp_path)
    assert line_of(said, done) == ["done", "10/100", "error", "12.50%"]
    place = ["process", str(os.getpid()), "on", os.uname().nodename]
    assert line_of(said, running) == ["running", "40/100", "6", "s", *place]
    assert line_of(said, stopped)[:2] == ["stopped", "50/100"]
    assert line_of(said, waiting) == ["waiting", "0/100"]
    assert line_of(said, failed)[:2] == ["failed", "30/100"]
    assert "5 runs: 1 done, 1 running, 1 stopped, 1 waiting, 1 failed" in said
    assert said.endswith("    two\n    three\n    usb-ext: bad")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_run_that_was_killed_is_stopped_and_not_running(tmp_path: Path) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    begun(run, (50, 3.0))
    held(run, 2**22 + 1)  # above every process number
    assert line_of(status(tmp_path), run)[0] == "stopped"
    held(run, 1, "elsewhere")
    assert line_of(status(tmp_path), run)[-1] == "elsewhere"


def test_jobs_stand_where_slurm_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = running, waiting, failed, gone = planned(tmp_path, "uda", seeds=(0, 1, 2, 3))
    for run in plan:
        files_of(run, tmp_path)
    write_jobs(tmp_path, {run.name: Job("slurm", f"7_{n}", "") for n, run in enumerate(plan)})
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / f"{failed.name}.json").write_text('{"job": "7_2", "code": 1}')
    (tmp_path / "logs" / f"{failed.name}.txt").write_text("usb-ext: the loss is not finite\n")
    begun(running, (50, 3.0))
    begun(gone, (20, 3.0))
    held(gone, 1, "elsewhere")
    queue = ["7_0|RUNNING|None", "7_1|PENDING|JobArrayTaskLimit", "8_0|RUNNING|None"]
    monkeypatch.setattr(job_record, "asked_of_slurm", lambda *_: queue)
    said = status(tmp_path)
    assert line_of(said, running) == ["running", "50/100", "3", "s", "job", "7_0"]
    assert line_of(said, waiting) == ["waiting", "0/100", "job", "7_1:", "JobArrayTaskLimit"]
    assert line_of(said, failed)[0] == "failed" and "the loss is not finite" in said
    assert line_of(said, gone)[0] == "stopped"
    assert "cancel with `scancel 7`" in said

    def silent(*_: str) -> list[str]:
        raise RunFailed("Slurm does not answer")

    monkeypatch.setattr(job_record, "asked_of_slurm", silent)
    said = status(tmp_path)
    assert "Slurm does not answer; what its jobs do is not known" in said
    assert line_of(said, failed)[0] == "failed"


def test_a_folder_of_runs_has_a_table_too_and_one_without_is_refused(tmp_path: Path) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    begun(run, (50, 3.0))
    assert line_of(status(tmp_path / "runs"), run)[:2] == ["stopped", "50/100"]
    with pytest.raises(DataMissing, match="nowhere holds no runs"):
        status(tmp_path / "nowhere")


def test_lines_that_are_cut_are_passed_over(tmp_path: Path) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    begun(run, (10, 1.0), (20, 2.0))
    with (run.folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"it": 30, "ti')
    assert line_of(status(tmp_path), run)[:2] == ["stopped", "20/100"]
