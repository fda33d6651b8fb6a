"""Comparisons on a Slurm of this machine: `pytest -m slurm tests/comparison/test_jobs_slurm.py`.

It needs `apt-get install slurm-wlm munge`; the daemons are started and stopped by the test. A run takes a
step every SECONDS_A_STEP, by a plugin, so that a time limit of two minutes comes in the middle.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.run import ROOT, TINY, assert_same_state
from support.slurm import OneMachine, missing

pytestmark = pytest.mark.slurm

SLOWLY = """
import os, time
from usb_ext.engine.hooks.record import RecordHook
whole = RecordHook.after_train_step
def after_train_step(self, algorithm):
    whole(self, algorithm)
    time.sleep(float(os.environ.get("SECONDS_A_STEP", "0")))
RecordHook.after_train_step = after_train_step
"""
WAIT = 900.0


@pytest.fixture(scope="module")
def slurm() -> Iterator[OneMachine]:
    assert not missing(), f"{missing()} missing: apt-get install slurm-wlm munge"
    place = Path(tempfile.mkdtemp(prefix="slurm-"))
    machine = OneMachine(place)
    try:
        machine.start()
        yield machine
    finally:
        machine.stop()
        shutil.rmtree(place, ignore_errors=True)


class Comparison:
    """A comparison of one method in a folder, given again and again as a person would."""

    def __init__(self, slurm: OneMachine, place: Path, steps: int, seconds: float) -> None:
        self.slurm, self.place, self.out = slurm, place, place / "out"
        self.seconds = seconds
        plugin = place / "slowly.py"
        plugin.write_text(SLOWLY)
        given = {**TINY, "num_train_iter": steps, "num_eval_iter": steps, "num_save_iter": 10}
        given |= {"plugin": str(plugin), "save_dir": str(place)}
        file = place / "tiny.yaml"
        file.write_text("".join(f"{name}: {value}\n" for name, value in given.items()))
        words = ["compare", "--c", str(file), "--methods", "fixmatch", "--out", str(self.out)]
        self.words = [sys.executable, "-P", "-m", "usb_ext", *words]

    @property
    def environment(self) -> dict[str, str]:
        own = {"SECONDS_A_STEP": str(self.seconds), "PYTHONPATH": str(ROOT)}
        return {**self.slurm.environment, **own}

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self.words, "--cluster", "slurm", *words],
            env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def ended(self, process: "subprocess.Popen[str]") -> tuple[int, str]:
        try:
            out, err = process.communicate(timeout=WAIT)
        finally:
            process.kill()
        return process.returncode, out + err

    def status(self) -> str:
        words = [*self.words[:4], "compare", "--status", str(self.out)]
        done = subprocess.run(words, env=self.environment, text=True, capture_output=True)
        return done.stdout

    def step(self, seed: int = 0) -> int:
        file = self.out / "runs" / f"fixmatch_n10_l{seed}_s{seed}" / "metrics.jsonl"
        rows = file.read_text().splitlines() if file.exists() else []
        return int(json.loads(rows[-1])["it"]) if rows else 0

    def log(self, seed: int = 0) -> str:
        return (self.out / "logs" / f"fixmatch_n10_l{seed}_s{seed}.txt").read_text()

    def training(self, seed: int = 0) -> int:
        """The process that trains."""
        lock = self.out / "runs" / f"fixmatch_n10_l{seed}_s{seed}" / ".usb_ext.lock"
        return int(json.loads(lock.read_text())["pid"])

    def same_as_uninterrupted(self, seed: int = 0) -> None:
        name = f"fixmatch_n10_l{seed}_s{seed}"
        words = [
            "--c",
            str(self.out / "settings" / f"{name}.yaml"),
            "--save_dir",
            str(self.place / "whole"),
        ]
        subprocess.run(
            [*self.words[:4], "train", *words],
            env={**self.environment, "SECONDS_A_STEP": "0"}, check=True, capture_output=True,
        )  # fmt: skip
        states = [
            torch.load(place / name / "latest_model.pth", weights_only=True)
            for place in (self.out / "runs", self.place / "whole")
        ]
        assert_same_state(*states)


def test_a_run_whose_time_is_up_is_queued_again_and_ends_bit_for_bit_as_without(
    slurm: OneMachine, tmp_path: Path
) -> None:
    runs = Comparison(slurm, tmp_path, steps=200, seconds=0.5)
    code, said = runs.ended(runs.begin("--time", "2", "--sbatch", "cpus-per-task=1"))
    assert code == 0, said
    assert "stopped after step" in runs.log() and "continuing after step" in runs.log()
    assert "submitted: job" in said and "1/1 fixmatch_n10_l0_s0: error" in said
    runs.same_as_uninterrupted()
    code, said = runs.ended(runs.begin())
    assert code == 0 and "finished before: 1, to do: 0" in said


def test_a_task_that_is_killed_is_named_and_goes_on_at_the_next_call(
    slurm: OneMachine, tmp_path: Path
) -> None:
    runs = Comparison(slurm, tmp_path, steps=40, seconds=0.3)
    process = runs.begin("--time", "10", "--seeds", "0", "1", "--max-running", "1")
    slurm.wait_for(lambda: runs.step() >= 15, WAIT)
    assert "running" in runs.status() and "waiting" in runs.status()
    os.kill(runs.training(), signal.SIGKILL)
    code, said = runs.ended(process)
    assert code == 1 and "killed by signal 9" in said
    assert "2/2 fixmatch_n10_l1_s1: error" in said and "the end of" in said
    assert "| 1 | " in (runs.out / "compare.md").read_text(), "the report is of what is finished"
    assert runs.ended(runs.begin("--time", "10", "--seeds", "0", "1"))[0] == 0
    assert "continuing after step" in runs.log()
    runs.same_as_uninterrupted()


def test_jobs_go_on_without_the_command_and_over_a_drained_node_and_a_dead_controller(
    slurm: OneMachine, tmp_path: Path
) -> None:
    runs = Comparison(slurm, tmp_path, steps=40, seconds=0.5)
    words = ("--time", "10", "--seeds", "0", "1", "--max-running", "1")
    process = runs.begin(*words)
    slurm.wait_for(lambda: runs.step() >= 3, WAIT)
    process.send_signal(signal.SIGINT)
    code, said = runs.ended(process)
    assert code == 130 and "compare --status" in said and "scancel" in said
    slurm.ask("scontrol", "update", f"nodename={slurm.host}", "state=drain", "reason=test")
    process = runs.begin(*words)
    slurm.wait_for(lambda: "fixmatch_n10_l0_s0  done" in runs.status(), WAIT)
    time.sleep(3)
    assert runs.step(1) == 0 and "waiting" in runs.status() and process.poll() is None
    slurm.stop_controller()
    assert "Slurm does not answer" in runs.status() and process.poll() is None
    slurm.start_controller()
    slurm.ask("scontrol", "update", f"nodename={slurm.host}", "state=resume")
    code, said = runs.ended(process)
    assert code == 0, said
    assert "submitted" not in said, "nothing is submitted twice"
    for seed in (0, 1):
        assert "nothing to resume" in runs.log(seed) and "continuing" not in runs.log(seed)


def test_a_node_that_fails_gives_its_run_back_to_the_queue(
    slurm: OneMachine, tmp_path: Path
) -> None:
    runs = Comparison(slurm, tmp_path, steps=40, seconds=0.4)
    process = runs.begin("--time", "10")
    slurm.wait_for(lambda: runs.step() >= 15, WAIT)
    slurm.ask("scontrol", "update", f"nodename={slurm.host}", "state=down", "reason=test")
    slurm.ask("scontrol", "update", f"nodename={slurm.host}", "state=resume")
    code, said = runs.ended(process)
    assert code == 0, said
    assert "continuing after step" in runs.log()
    runs.same_as_uninterrupted()


def test_a_job_that_is_cancelled_leaves_a_checkpoint(slurm: OneMachine, tmp_path: Path) -> None:
    runs = Comparison(slurm, tmp_path, steps=200, seconds=0.2)
    process = runs.begin("--time", "10")
    slurm.wait_for(lambda: runs.step() >= 12, WAIT)
    line = next(line for line in runs.status().splitlines() if line.startswith("cancel with"))
    slurm.ask(*line.split("`")[1].split())
    code, said = runs.ended(process)
    assert code == 1 and "fixmatch_n10_l0_s0" in said
    assert "stopped" in runs.status() and "failed" not in runs.status()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--partition", "gpu"], "--partition is 'gpu'; Slurm has main"),
        (["--sbatch", "qos-not-there=1"], "slurm refuses the jobs: sbatch: unrecognized option"),
        (["--sbatch", "mem=999T"], "slurm refuses the jobs: "),
    ],
)
def test_what_slurm_cannot_give_is_refused_in_a_line(
    slurm: OneMachine, tmp_path: Path, words: list[str], said: str
) -> None:
    runs = Comparison(slurm, tmp_path, steps=4, seconds=0)
    code, told = runs.ended(runs.begin(*words))
    assert code == 2 and said in told and "Traceback" not in told
