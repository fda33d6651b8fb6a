"""What a folder and a queue say of jobs, and what is done about those that are over."""

from pathlib import Path

import pytest
from support.compare import planned
from support.jobs import FakeSlurm, leave_code

from usb_ext.comparison.job_record import (
    Job,
    cancel_words,
    code_of,
    note_ends,
    read_jobs,
    states_of,
    write_jobs,
)
from usb_ext.comparison.plan import Failures
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.settings import config_sha256


def test_what_came_of_jobs_while_nobody_watched_is_taken_in(
    tmp_path: Path, fake_slurm: FakeSlurm
) -> None:
    plan = planned(tmp_path, "uda", seeds=(0, 1, 2))
    numbers = {run.name: f"10_{number}" for number, run in enumerate(plan)}
    write_jobs(
        tmp_path,
        {run.name: Job("slurm", numbers[run.name], config_sha256(run.settings)) for run in plan},
    )
    for folder in ("logs", "cluster"):
        (tmp_path / folder).mkdir()
    (tmp_path / "logs" / f"{plan[0].name}.txt").write_text("usb-ext: the loss is not finite\n")
    leave_code(tmp_path, plan[0].name, "10_0", 1)
    leave_code(tmp_path, plan[1].name, "10_1", 143)
    failures = Failures(tmp_path / "failed.json")
    assert note_ends(plan, tmp_path, failures) == {} and read_jobs(tmp_path) == {}
    reasons = [Failures(tmp_path / "failed.json").reason(run) for run in plan]
    assert reasons == ["failed: the loss is not finite", None, None]


def test_a_job_of_other_settings_is_not_run_over(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    plan = planned(tmp_path, "uda", seeds=(0,))
    fake_slurm.queue = ["7|RUNNING|None"]
    write_jobs(tmp_path, {plan[0].name: Job("slurm", "7", "other")})
    with pytest.raises(
        SettingsError, match=r"job 7 of uda_n40_l0_s0 has other settings.*scancel 7"
    ):
        note_ends(plan, tmp_path, Failures(tmp_path / "failed.json"))


def test_jobs_are_cancelled_by_array_and_by_process() -> None:
    jobs = [
        Job("slurm", "7_0", ""),
        Job("slurm", "7_1", ""),
        Job("slurm", "9", ""),
        Job("local", "5", ""),
    ]
    assert cancel_words(jobs) == "scancel 7 9; kill 5"


def test_states_are_slurms_words_and_a_process_that_is_no_job_is_over(
    fake_slurm: FakeSlurm,
) -> None:
    fake_slurm.queue = ["7_0|PENDING|JobArrayTaskLimit", "7_1|RUNNING|None", "8|COMPLETING|None"]
    found = states_of(
        [Job("slurm", "7_0", ""), Job("local", str(2**22 + 1), ""), Job("local", "1", "")]
    )
    assert found == {
        "7_0": ("PENDING", "JobArrayTaskLimit"),
        "7_1": ("RUNNING", ""),
        "8": ("COMPLETING", ""),
    }
    fake_slurm.queue = None
    assert states_of([Job("slurm", "7_0", "")]) is None


@pytest.mark.parametrize("code", [143, -9])
def test_a_run_that_is_stopped_is_not_over_while_its_job_is_queued(
    tmp_path: Path, code: int
) -> None:
    """As where a node fails: Slurm sends SIGTERM, and queues the job again."""
    (tmp_path / "cluster").mkdir()
    leave_code(tmp_path, "run", "7", code)
    job = Job("slurm", "7", "")
    assert code_of(tmp_path, "run", job, {"7": ("PENDING", "BeginTime")}) is None
    assert code_of(tmp_path, "run", job, None) is None, "nobody knows"
    assert code_of(tmp_path, "run", job, {}) == code
    leave_code(tmp_path, "run", "7", 1)
    assert code_of(tmp_path, "run", job, {"7": ("COMPLETING", "")}) == 1
    assert code_of(tmp_path, "run", Job("slurm", "8", ""), {}) is None, "of an earlier job"


def test_a_list_of_jobs_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(DataMissing, match="the list of jobs .*cluster.json cannot be read"):
        read_jobs(tmp_path)
