"""What a comparison's folder says of its jobs, and what a queue says of them.

`cluster.json` names the job of each run that was submitted and whose end nobody has told yet; `cluster/`
holds submitit's files and, from `comparison/task.py`, `NAME.json` with the exit code of a run that has ended.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from usb_ext.comparison.cluster import LOCAL, SLURM, asked_of_slurm
from usb_ext.comparison.plan import Failures, Planned, completed
from usb_ext.comparison.processes import FAILED, last_words, log_of_run
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.files import json_of, read_json, write_json
from usb_ext.settings import config_sha256

RECORD, FOLDER = "cluster.json", "cluster"
WAITING = "WAITING"
"""State of a job while Slurm does not answer."""
SIGNALLED = 128
"""An exit code above says which signal has stopped a run, as shells have it."""


@dataclass(frozen=True)
class Job:
    """The job of a run.

    Attributes:
        kind: `slurm` or `local`.
        number: Slurm's, `12_3` in an array; of a local job its process.
        config_sha256: of the run's settings.
        slot: of a local job, which of those that may run at once.
    """

    kind: str
    number: str
    config_sha256: str
    slot: int = 0


def read_jobs(out: Path) -> dict[str, Job]:
    """The jobs of a comparison's folder by the names of their runs.

    Raises:
        DataMissing: the file cannot be read.
    """
    path = out / RECORD
    if not path.exists():
        return {}
    found = read_json(path, "the list of jobs", "delete it once no job of it runs any more")
    return {name: Job(**values) for name, values in found.items()}


def write_jobs(out: Path, jobs: Mapping[str, Job]) -> None:
    """Keep the jobs of a comparison's folder."""
    write_json(out / RECORD, {name: asdict(job) for name, job in sorted(jobs.items())})


def states_of(jobs: Iterable[Job]) -> dict[str, tuple[str, str]] | None:
    """State and reason of each job that is not over, by number; None where Slurm does not answer.

    States are Slurm's words (PENDING, RUNNING, ...); a local job is RUNNING.

    Args:
        jobs: of any kind.
    """
    jobs = list(jobs)
    found = {j.number: ("RUNNING", "") for j in jobs if j.kind == LOCAL and _is_local_job(j.number)}
    if not any(job.kind == SLURM for job in jobs):
        return found
    form = "--format=%i|%T|%r"
    try:
        lines = asked_of_slurm("squeue", "--noheader", "--array", f"--user={os.getuid()}", form)
    except RunFailed:
        return None
    for line in lines:
        number, state, reason = (*line.strip().split("|"), "", "")[:3]
        found[number] = (state, "" if reason == "None" else reason)
    return found


def _is_local_job(number: str) -> bool:
    """Whether a process lives and is one that submitit has started."""
    if not number.isdecimal() or int(number) < 1:
        return False
    try:
        os.kill(int(number), 0)
        words = Path(f"/proc/{number}/cmdline").read_bytes()
    except ProcessLookupError:
        return False
    except OSError:
        return True  # a system without /proc, or somebody else's
    return b"submitit" in words


def code_of(
    out: Path, name: str, job: Job, states: Mapping[str, tuple[str, str]] | None
) -> int | None:
    """The exit code with which the job of a run is over; None where it has left none.

    A run that was stopped by a signal is not over while its job is in the queue: Slurm also sends SIGTERM
    where it takes a node away, and begins the job again.

    Args:
        out: the comparison's folder.
        name: of the run.
        job: its job; what an earlier one has left does not count.
        states: as `states_of` gives them.
    """
    try:
        said = json_of(out / FOLDER / f"{name}.json")
    except (OSError, ValueError):
        return None
    if not isinstance(said, dict) or said.get("job") != job.number:
        return None
    code = said.get("code")
    if not isinstance(code, int):
        return None
    stopped = code < 0 or code > SIGNALLED
    return None if stopped and (states is None or job.number in states) else code


def words_of(out: Path, name: str, job: Job) -> str:
    """The last thing that a run said, or its job, where the run could not begin."""
    log = log_of_run(out, name)
    if log.is_file() and log.stat().st_size:
        return last_words(log)
    return last_words(out / FOLDER / f"{job.number}_0_log.err")


def note_ends(plan: Sequence[Planned], out: Path, failures: Failures) -> dict[str, str]:
    """Take in what came of jobs while no command watched: failures are noted, what is over is forgotten.

    Args:
        plan: all runs, with resolved settings.
        out: the comparison's folder.
        failures: where failures are kept.

    Returns:
        State of each run of the plan whose job is not over, by name.

    Raises:
        SettingsError: a job of other settings is not over yet.
    """
    jobs = read_jobs(out)
    if not jobs:
        return {}
    states, live, left = states_of(jobs.values()), dict[str, str](), dict(jobs)
    runs = {run.name: run for run in plan}
    for name, job in jobs.items():
        run = runs.get(name)
        same = run is not None and job.config_sha256 == config_sha256(run.settings)
        code = code_of(out, name, job, states)
        if code is None and (states is None or job.number in states):
            if run is not None and not same:
                raise SettingsError(
                    f"job {job.number} of {name} has other settings and is not over; cancel it "
                    f"({cancel_words([job])}), or choose another --out"
                )
            if run is not None:
                live[name] = states[job.number][0] if states else WAITING
            continue
        del left[name]
        if run is not None and same and code == FAILED and not completed(run):
            failures.add(run, f"failed: {words_of(out, name, job)}")
    if left != jobs:
        write_jobs(out, left)
    return live


def refuse_live(live: Mapping[str, str], out: Path) -> None:
    """Stop a command that would run here what is a job already.

    Raises:
        RunFailed: naming how to look and how to cancel.
    """
    if live:
        jobs = read_jobs(out)
        raise RunFailed(
            f"{len(live)} runs of {out} are jobs that are not over; wait for them with --cluster, look with "
            f"`usb-ext compare --status {out}`, or cancel: {cancel_words(jobs[name] for name in live)}"
        )


def cancel_words(jobs: Iterable[Job]) -> str:
    """The command that cancels jobs."""
    jobs = list(jobs)
    slurm = dict.fromkeys(job.number.partition("_")[0] for job in jobs if job.kind == SLURM)
    local = [job.number for job in jobs if job.kind == LOCAL]
    words = [
        f"scancel {' '.join(slurm)}" if slurm else "",
        f"kill {' '.join(local)}" if local else "",
    ]
    return "; ".join(filter(None, words))
