"""The compare stage with jobs: what is finished is reported, what goes on is left and found again."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.compare import Trainer, leave, of_seed, planned, report_of

from usb_ext.comparison import job_record, jobs, stage
from usb_ext.comparison.cluster import Cluster
from usb_ext.comparison.job_record import read_jobs
from usb_ext.comparison.methods import Order
from usb_ext.comparison.plan import Planned
from usb_ext.comparison.stage import compare, resolved_plan
from usb_ext.core.errors import Interrupted, RunFailed, SettingsError
from usb_ext.engine.parts import Stop

SLURM = Cluster("slurm", minutes=60)


def order(out: Path, cluster: Cluster | None = SLURM) -> Order:
    return Order(out, about={"command": "usb-ext compare"}, cluster=cluster)


class Queue:
    """Slurm, whose jobs end as a function of the run's name says, or stay in the queue.

    Args:
        plan: all runs.
        code: exit code of a run's job; None while it is not over.
    """

    def __init__(self, plan: list[Planned], code: Callable[[str], int | None]) -> None:
        self.plan, self.code = {run.name: run for run in plan}, code
        self.submitted: list[str] = []
        self.left: dict[str, str] = {}

    def submit(self, order: dict[str, Any], said: Path) -> list[str]:
        names = [Path(task["ended"]).stem for task in order["tasks"]]
        for name in names:
            self.left[name] = str(len(self.submitted))
            self.submitted.append(name)
        return [self.left[name] for name in names]

    def answer(self, *_: str) -> list[str]:
        for name, number in list(self.left.items()):
            if (code := self.code(name)) is not None:
                run = self.plan[name]
                place = run.settings.run_dir.parents[1] / "cluster" / f"{name}.json"
                place.write_text(json.dumps({"job": number, "code": code}))
                del self.left[name]
                if code == 0:
                    leave(run.settings, of_seed(run))
        return [f"{number}|PENDING|Priority" for number in self.left.values()]


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queue:
    made = Queue(resolved_plan(planned(tmp_path, "fixmatch", "flexmatch")), lambda name: 0)
    monkeypatch.setattr(jobs, "_answer", made.submit)
    monkeypatch.setattr(job_record, "asked_of_slurm", made.answer)
    monkeypatch.setattr(jobs, "LOOK_SECONDS", {"slurm": 0.0})
    monkeypatch.setattr(stage, "check_cluster", lambda _: None)
    return made


def test_the_report_is_that_of_runs_of_this_machine(tmp_path: Path, queue: Queue) -> None:
    plan = list(queue.plan.values())
    made = compare(plan, order(tmp_path), say=len)
    assert sorted(queue.submitted) == sorted(queue.plan) and read_jobs(tmp_path) == {}
    here = tmp_path / "here"
    again = report_of(resolved_plan(planned(here, "fixmatch", "flexmatch")), here, Trainer(of_seed))
    assert made["comparisons"] == again["comparisons"]
    compare(plan, order(tmp_path), say=len)
    assert len(queue.submitted) == len(plan), "what is finished is not run again"


def test_runs_that_fail_are_named_with_the_end_of_their_log(tmp_path: Path, queue: Queue) -> None:
    bad, said = "flexmatch_n40_l1_s1", list[str]()
    queue.code = lambda name: int(name == bad)
    plan = list(queue.plan.values())

    def hear(text: str) -> None:
        said.append(text)
        if text.startswith("submitted"):
            log = tmp_path / "logs" / f"{bad}.txt"
            log.write_text("step 3\nstep 4\nusb-ext: the loss is not finite\n")

    made = compare(plan, order(tmp_path), say=hear)
    assert made["left_out"][-1]["reason"] == "failed: the loss is not finite"
    end = "the end of {}:\n    step 3\n    step 4\n    usb-ext: the loss is not finite\n"
    assert said[-1].endswith(end.format(tmp_path / "logs" / f"{bad}.txt"))
    compare(plan, order(tmp_path), say=len)
    assert len(queue.submitted) == len(plan), "nor is what failed"


def test_ctrl_c_leaves_jobs_and_reports_what_is_finished(tmp_path: Path, queue: Queue) -> None:
    plan, stop = list(queue.plan.values()), Stop()
    queue.code = lambda name: 0 if name.endswith("s0") else None

    def hear(text: str) -> None:
        if text.startswith("2/4"):
            stop.requested = signal.SIGINT

    with pytest.raises(Interrupted) as caught:
        compare(plan, order(tmp_path), stop=stop, say=hear)
    assert caught.value.exit_code == 130
    said = str(caught.value)
    assert "finished: 2 of 4 runs; jobs that go on without this command: 2" in said
    assert f"usb-ext compare --status {tmp_path}" in said and "scancel " in said
    report = json.loads((tmp_path / "compare.json").read_text())
    assert [fold["seed"] for fold in report["comparisons"][0]["folds"]] == [0]
    assert {row["reason"] for row in report["left_out"]} == {"pending"}
    with pytest.raises(RunFailed, match="2 runs of .* are jobs that are not over"):
        compare(plan, order(tmp_path, None), say=len)
    queue.code = lambda name: 0
    assert len(compare(plan, order(tmp_path), say=len)["comparisons"][0]["folds"]) == 2
    assert len(queue.submitted) == 4, "nothing is submitted twice"


def test_a_cluster_that_cannot_be_asked_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="needs Slurm"):
        compare(planned(tmp_path / "out", "uda"), order(tmp_path / "out"), say=len)
    assert not (tmp_path / "out").exists()
