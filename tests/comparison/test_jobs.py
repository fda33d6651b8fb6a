"""Jobs of a comparison: submitted once, watched, remembered, and what came of them taken in later."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.compare import SECONDS, ended, leave, planned
from support.jobs import FakeSlurm, leave_code
from support.run import ROOT

from usb_ext.comparison import jobs as module
from usb_ext.comparison.cluster import Cluster
from usb_ext.comparison.job_record import (
    Job,
    cancel_words,
    note_ends,
    read_jobs,
    refuse_live,
    write_jobs,
)
from usb_ext.comparison.jobs import Jobs, parameters
from usb_ext.comparison.plan import Failures, Planned
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.settings import config_sha256


def jobs_of(plan: list[Planned], out: Path, **changed: Any) -> Jobs:
    return Jobs(Cluster("slurm", minutes=60, **changed), out, plan)


def test_all_that_has_no_job_becomes_one_array_of_the_usual_command(
    tmp_path: Path, fake_slurm: FakeSlurm
) -> None:
    plan = planned(tmp_path, "uda", "fixmatch", seeds=(0, 1))
    jobs = jobs_of(plan, tmp_path, running=2, gpus=1, partition="long", sbatch={"mem": "8G"})
    for run in plan:
        jobs(run, tmp_path, 0)
    assert len(fake_slurm.orders) == 1
    order = fake_slurm.orders[0]
    settings = tmp_path / "settings" / f"{plan[0].name}.yaml"
    assert order["tasks"][0]["command"][1:] == [
        "-P",
        "-m",
        "usb_ext",
        "train",
        "--c",
        str(settings),
    ]
    assert settings.is_file()
    told = order["parameters"]
    assert (told["array_parallelism"], told["gpus_per_node"], told["partition"]) == (2, 1, "long")
    assert (told["time"], told["additional_parameters"]) == (60, {"requeue": True, "mem": "8G"})
    kept = read_jobs(tmp_path)
    assert {name: job.number for name, job in kept.items()} == {
        run.name: f"10_{number}" for number, run in enumerate(plan)
    }


def test_a_run_ends_with_the_code_that_its_job_has_left(
    tmp_path: Path, fake_slurm: FakeSlurm
) -> None:
    plan = planned(tmp_path, "uda", seeds=(0, 1, 2))
    jobs = jobs_of(plan, tmp_path)
    fake_slurm.queue = ["10_0|RUNNING|None", "10_1|PENDING|Resources", "10_2|RUNNING|None"]
    runs = [jobs(run, tmp_path, 0) for run in plan]
    assert [run.poll() for run in runs] == [None, None, None]
    leave_code(tmp_path, plan[0].name, "10_0", 1)
    leave_code(tmp_path, plan[1].name, "9_1", 0)  # of an earlier job
    assert [run.poll() for run in runs] == [1, None, None]
    fake_slurm.queue = None
    assert [run.poll() for run in runs] == [1, None, None], "no answer is no end"
    fake_slurm.queue = ["10_1|REQUEUED|None"]
    assert [run.poll() for run in runs] == [1, None, -9]
    assert list(read_jobs(tmp_path)) == [plan[1].name]


def test_what_a_run_says_last_is_its_log_or_what_its_job_said(
    tmp_path: Path, fake_slurm: FakeSlurm
) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    begun = jobs_of([run], tmp_path)(run, tmp_path, 0)
    (tmp_path / "cluster" / "10_0_log.err").write_text("srun: error: no such node\n")
    assert begun.message() == "srun: error: no such node"
    (tmp_path / "logs" / f"{run.name}.txt").write_text("usb-ext: the loss is not finite\n")
    assert begun.message() == "the loss is not finite"


def test_a_job_that_is_not_over_is_watched_and_not_submitted_again(
    tmp_path: Path, fake_slurm: FakeSlurm
) -> None:
    plan = planned(tmp_path, "uda", seeds=(0, 1))
    fake_slurm.queue = ["7_0|PENDING|Priority"]
    write_jobs(tmp_path, {plan[0].name: Job("slurm", "7_0", config_sha256(plan[0].settings))})
    failures = Failures(tmp_path / "failed.json")
    live = note_ends(plan, tmp_path, failures)
    assert live == {plan[0].name: "PENDING"}
    with pytest.raises(RunFailed, match=r"1 runs of .* are jobs .* cancel: scancel 7"):
        refuse_live(live, tmp_path)
    jobs = Jobs(Cluster("slurm"), tmp_path, plan, live)
    watched = [jobs(run, tmp_path, 0) for run in plan]
    assert [len(order["tasks"]) for order in fake_slurm.orders] == [1]
    leave_code(tmp_path, plan[0].name, "7_0", 0)
    assert watched[0].poll() == 0


def test_the_warning_comes_early_enough_and_never_before_most_of_the_time() -> None:
    seconds = {
        m: parameters(Cluster("slurm", minutes=m), "x", 1)["signal_delay_s"] for m in (1, 4, 600)
    }
    assert seconds == {1: 15, 4: 60, 600: 120}


def test_several_gpus_are_several_processes(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    jobs_of([run], tmp_path, gpus=2)(run, tmp_path, 0)
    assert fake_slurm.orders[0]["tasks"][0]["command"][-2:] == ["--devices", "2"]


TRAINS = """
import os, pathlib, signal, sys, time
sys.path.insert(0, {tests!r})
place = pathlib.Path(sys.argv[-1])
def stop(number, frame):
    place.with_suffix(".stopped").touch(); print("stopped"); sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
if place.with_suffix(".stopped").exists():
    print("continuing"); sys.exit(0)
place.with_suffix(".parent").write_text(str(os.getppid()))
time.sleep(60)
"""


def there(file: Path) -> str:
    until = time.monotonic() + SECONDS
    while not (file.exists() and file.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    return file.read_text()


@pytest.fixture
def trains(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "trains.py"
    script.write_text(TRAINS.format(tests=str(ROOT / "tests")))
    return sys.executable, str(script)


def test_a_local_job_is_begun_again_by_submitit_when_it_is_warned(
    tmp_path: Path, trains: tuple[str, ...]
) -> None:
    """From the submission to the end, through submitit and its executor; only `train` is made up."""
    run, said = planned(tmp_path, "uda", seeds=(0,))[0], list[str]()
    jobs = Jobs(Cluster("local", running=1), tmp_path, [run], (), said.append, trains)
    begun = jobs(run, tmp_path, 0)
    place = tmp_path / "settings" / f"{run.name}.parent"
    os.kill(int(there(place)), signal.SIGUSR2)
    assert ended(begun) == 0
    assert (tmp_path / "logs" / f"{run.name}.txt").read_text() == "stopped\ncontinuing\n"
    assert "Ctrl-C leaves it" in said[0] and f"--status {tmp_path}" in said[0]
    assert "cancel with `kill " in said[0] and read_jobs(tmp_path) == {}


def test_a_local_job_is_cancelled_by_what_is_said_of_it(
    tmp_path: Path, trains: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    jobs = Jobs(Cluster("local", running=1), tmp_path, [run], (), bool, trains)
    begun = jobs(run, tmp_path, 0)
    there(tmp_path / "settings" / f"{run.name}.parent")
    word, number = cancel_words(read_jobs(tmp_path).values()).split()
    assert word == "kill"
    os.kill(int(number), signal.SIGTERM)
    assert ended(begun) == 128 + signal.SIGTERM


def test_what_refuses_jobs_is_told_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """submitit on a sbatch that refuses; nothing is remembered as a job."""
    for name, text in {
        "srun": "exit 0",
        "sbatch": "echo 'sbatch: error: no quota' >&2; exit 1",
    }.items():
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    with pytest.raises(SettingsError, match="^slurm refuses the jobs: sbatch: error: no quota$"):
        jobs_of([run], tmp_path)(run, tmp_path, 0)
    assert read_jobs(tmp_path) == {}


def test_a_submission_that_breaks_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUBMIT", (sys.executable, "-c", "raise ValueError('broken')"))
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    with pytest.raises(RunFailed, match="^jobs could not be submitted: ValueError: broken$"):
        jobs_of([run], tmp_path)(run, tmp_path, 0)


def test_local_jobs_have_a_slot_each(
    tmp_path: Path, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    plan = planned(tmp_path, "uda", seeds=(0, 1, 2))
    jobs = Jobs(Cluster("local", gpus=1, running=2), tmp_path, plan)
    first, _ = (jobs(run, tmp_path, 0) for run in plan[:2])
    leave_code(tmp_path, plan[0].name, "10", 0)
    assert first.poll() == 0
    jobs(plan[2], tmp_path, 0)
    assert [order["tasks"][0]["gpus"] for order in fake_slurm.orders] == ["0", "1", "0"]


def test_a_run_that_outlives_its_job_is_not_over(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    """Its lock is signed by a process that lives; after it, the run's own record says what came of it."""
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    begun = jobs_of([run], tmp_path)(run, tmp_path, 0)
    run.folder.path.mkdir(parents=True)
    lock = run.folder.path / ".usb_ext.lock"
    holder = {"what": "a run", "pid": os.getpid(), "host": os.uname().nodename, "started": "today"}
    lock.write_text(json.dumps(holder))
    assert begun.poll() is None
    lock.unlink()
    leave(run.settings, 0.9)
    begun.poll()
    assert begun.poll() == 0
