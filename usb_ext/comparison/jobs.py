"""The jobs of a comparison: what its folder says of them, what Slurm says, and their submission.

`cluster.json` names the job of each run that was submitted and whose end nobody has told yet; `cluster/`
holds submitit's files and, from `comparison/task.py`, `NAME.json` with the exit code of a run that has ended.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from usb_ext.comparison.begin import TRAIN, surroundings
from usb_ext.comparison.cluster import LOCAL, SLURM, Cluster, asked_of_slurm, gpus_of_slots
from usb_ext.comparison.plan import Failures, Planned, completed
from usb_ext.comparison.processes import (
    FAILED,
    KILLED,
    Running,
    files_of,
    last_words,
    log_of_run,
)
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.files import json_of, read_json, write_json
from usb_ext.core.lock import LOCK, holder_here
from usb_ext.settings import config_sha256

RECORD, FOLDER = "cluster.json", "cluster"
SUBMIT = (sys.executable, "-P", "-m", "usb_ext.comparison.submit")
LOOK_SECONDS = {SLURM: 5.0, LOCAL: 0.5}
"""ours: how often a queue is asked."""
GONE_SECONDS = 5.0
"""ours: how long after a job is gone its exit code may still be on its way through a shared file system."""
WARNING_SECONDS = 120
"""ours: how long before its time is up a job is told, at most a quarter of its time."""
TIMES = 100
"""ours: how often a job whose time was up is queued again."""
WAITING = "WAITING"
NO_LIMIT_MINUTES = 525_600.0


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


def code_of(out: Path, name: str, job: Job) -> int | None:
    """The exit code that the job of a run has left; None where it has left none.

    Args:
        out: the comparison's folder.
        name: of the run.
        job: its job; what an earlier one has left does not count.
    """
    try:
        said = json_of(out / FOLDER / f"{name}.json")
    except (OSError, ValueError):
        return None
    if not isinstance(said, dict) or said.get("job") != job.number:
        return None
    return said["code"] if isinstance(said.get("code"), int) else None


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
        code = code_of(out, name, job)
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


class Jobs:
    """Begins runs as jobs; called as `TrainProcess` is.

    Args:
        cluster: where.
        out: the comparison's folder.
        todo: all that is to be begun: Slurm gets what has no job yet as one array, at the first call.
        live: names of runs whose job is not over; they are watched, not submitted.
        say: shows a line.
        command: what trains a run.
    """

    def __init__(
        self,
        cluster: Cluster,
        out: Path,
        todo: Sequence[Planned],
        live: Iterable[str] = (),
        say: Callable[[str], object] = bool,
        command: Sequence[str] = TRAIN,
    ) -> None:
        self.cluster, self.out, self.command, self.say = cluster, out, tuple(command), say
        self.jobs = {name: job for name, job in read_jobs(out).items() if name in set(live)}
        self.slots = gpus_of_slots(cluster) if cluster.kind == LOCAL else []
        self._new = [run for run in todo if run.name not in self.jobs]
        self._states: dict[str, tuple[str, str]] | None = {}
        self._codes: dict[str, int] = {}
        self._gone: dict[str, float] = {}
        self._looked = float("-inf")

    def __call__(self, run: Planned, out: Path, lock: int) -> Running:
        """Begin a run, or watch its job.

        Args:
            run: with resolved settings.
            out: the comparison's folder.
            lock: not held by jobs, which go on without the command.

        Raises:
            RunFailed, SettingsError: what submits jobs refuses them.
        """
        if run.name not in self.jobs:
            self._submit(self._new if self.cluster.kind == SLURM else [run])
        return JobRun(self, run)

    def _submit(self, runs: Sequence[Planned]) -> None:
        """Submit runs together, and keep their jobs."""
        slot = self._free_slot()
        tasks = [self._task(run, slot) for run in runs]
        for task in tasks:
            Path(task["ended"]).unlink(missing_ok=True)
            Path(task["log"]).write_text("", encoding="utf-8")
        order = {
            "kind": self.cluster.kind,
            "folder": str((self.out / FOLDER).absolute()),
            "parameters": parameters(self.cluster, self.out.name, len(runs)),
            "times": TIMES,
            "tasks": tasks,
        }
        numbers = _answer(order, self.out / FOLDER / "submit.txt")
        for run, number in zip(runs, numbers, strict=True):
            self.jobs[run.name] = Job(self.cluster.kind, number, config_sha256(run.settings), slot)
            self._codes.pop(run.name, None)
        write_jobs(self.out, {**read_jobs(self.out), **self.jobs})
        self._looked = float("-inf")
        told = f"job {numbers[0]} of {runs[0].name}"
        if len(runs) > 1:
            told = f"job {numbers[0].partition('_')[0]}, {len(runs)} runs"
        self.say(f"submitted: {told}; Ctrl-C leaves it; {self.how_to()}\n")

    def _task(self, run: Planned, slot: int) -> dict[str, Any]:
        settings, log = (path.absolute() for path in files_of(run, self.out))
        (self.out / FOLDER).mkdir(exist_ok=True)
        gpus = self.cluster.gpus or 1
        several = ("--devices", str(gpus)) if gpus > 1 else ()
        return {
            "command": [*self.command, "--c", str(settings), *several],
            "log": str(log),
            "ended": str((self.out / FOLDER / f"{run.name}.json").absolute()),
            "gpus": self.slots[slot] if self.slots else os.environ.get("CUDA_VISIBLE_DEVICES"),
        }

    def _free_slot(self) -> int:
        taken = {job.slot for name, job in self.jobs.items() if name not in self._codes}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def look(self) -> None:
        """Ask the queue and read exit codes, if the last time is a while ago."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS[self.cluster.kind]:
            return
        self._looked = now
        self._states = states_of(self.jobs.values())
        for name, job in self.jobs.items():
            if name not in self._codes and (code := code_of(self.out, name, job)) is not None:
                self._codes[name] = code

    def code(self, run: Planned) -> int | None:
        """The exit code of a run; None while its job is not over."""
        self.look()
        if run.name in self._codes:
            return self._told(run, self._codes[run.name])
        job = self.jobs[run.name]
        if (
            self._states is None
            or job.number in self._states
            or holder_here(run.folder.path / LOCK)
        ):
            self._gone.pop(run.name, None)
            return None
        since = self._gone.setdefault(run.name, time.monotonic())
        if time.monotonic() - since < GONE_SECONDS:
            return None
        return self._told(run, 0 if completed(run) else KILLED)

    def _told(self, run: Planned, code: int) -> int:
        """A run's end is known: its job need not be remembered."""
        self._codes[run.name] = code
        left = read_jobs(self.out)
        if left.pop(run.name, None) is not None:
            write_jobs(self.out, left)
        return code

    def how_to(self) -> str:
        """How to look at what goes on, and how to cancel it."""
        live = [job for name, job in self.jobs.items() if name not in self._codes]
        return (
            f"look with `usb-ext compare --status {self.out}`, cancel with `{cancel_words(live)}`"
        )


class JobRun:
    """A run that is a job.

    Args:
        jobs: the job's owner.
        run: the run.
    """

    def __init__(self, jobs: Jobs, run: Planned) -> None:
        self.jobs, self.run = jobs, run

    def poll(self) -> int | None:
        """See Running."""
        return self.jobs.code(self.run)

    def send(self, signal_number: int) -> None:
        """Nothing: a job goes on without the command."""

    def message(self) -> str:
        """See Running."""
        return words_of(self.jobs.out, self.run.name, self.jobs.jobs[self.run.name])


def parameters(cluster: Cluster, name: str, count: int) -> dict[str, Any]:
    """What submitit's executor is told.

    Args:
        cluster: what was asked for.
        name: of the jobs.
        count: how many there are.
    """
    minutes = cluster.minutes or NO_LIMIT_MINUTES
    warning = max(1, min(WARNING_SECONDS, int(minutes * 60 / 4)))
    if cluster.kind == LOCAL:
        return {"timeout_min": minutes, "signal_delay_s": warning}
    found: dict[str, Any] = {
        "job_name": name,
        "time": int(minutes),
        "signal_delay_s": warning,
        "array_parallelism": cluster.running or count,
        "additional_parameters": {"requeue": True, **cluster.sbatch},
        # Slurm 22.05 and later give a step one processor unless it is told.
        "setup": [
            '[ -z "$SLURM_CPUS_PER_TASK" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"'
        ],
    }
    if cluster.partition is not None:
        found["partition"] = cluster.partition
    if cluster.gpus is not None:
        found["gpus_per_node"] = cluster.gpus
    return found


def _answer(order: Mapping[str, Any], said: Path) -> list[str]:
    """The numbers of the jobs that an order became.

    Args:
        order: what `comparison/submit.py` reads.
        said: where it, and what starts local jobs, may say something; no pipe, which jobs would keep open.

    Raises:
        SettingsError: what submits jobs refuses them, in its words.
        RunFailed: it fails.
    """
    environment = {**surroundings(), "PYTHONSAFEPATH": "1"}
    with said.open("w", encoding="utf-8") as words:
        done = subprocess.run(
            SUBMIT,
            input=json.dumps(order),
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            env=environment,
            start_new_session=True,
        )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise RunFailed(f"jobs could not be submitted: {last_words(said)}") from None
    if "error" in answer:
        raise SettingsError(f"{order['kind']} refuses the jobs: {answer['error']}")
    return [str(number) for number in answer["jobs"]]
