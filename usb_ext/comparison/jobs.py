"""Runs as jobs: submitted together or one by one, and watched until they end.

What the folder and the queue say of them is in `comparison/job_record.py`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from usb_ext.comparison.begin import TRAIN, surroundings
from usb_ext.comparison.cluster import LOCAL, SLURM, Cluster, gpus_of_slots
from usb_ext.comparison.job_record import (
    FOLDER,
    Job,
    cancel_words,
    code_of,
    read_jobs,
    states_of,
    words_of,
    write_jobs,
)
from usb_ext.comparison.plan import Planned, completed
from usb_ext.comparison.processes import KILLED, Running, files_of, last_words
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.lock import LOCK, holder_here
from usb_ext.settings import config_sha256

SUBMIT = (sys.executable, "-P", "-m", "usb_ext.comparison.submit")
LOOK_SECONDS = {SLURM: 5.0, LOCAL: 0.5}
"""ours: how often a queue is asked."""
GONE_SECONDS = 5.0
"""ours: how long after a job is gone its exit code may still be on its way through a shared file system."""
WARNING_SECONDS = 120
"""ours: how long before its time is up a job is told, at most a quarter of its time."""
TIMES = 100
"""ours: how often a job whose time was up is queued again."""
NO_LIMIT_MINUTES = 525_600.0


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
            "result": str(run.folder.result.absolute()),
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
            code = code_of(self.out, name, job, self._states)
            if name not in self._codes and code is not None:
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
