"""Where the runs of a comparison become jobs: a Slurm cluster, or this machine by submitit's local executor.

A job goes on without the command that submitted it. What stands in the comparison's folder about it is read
and written by `comparison/jobs.py`; what a job does is `comparison/task.py`.
"""

import argparse
import math
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from usb_ext.core.errors import RunFailed, SettingsError

SLURM, LOCAL = "slurm", "local"
USUAL_TIME = "4:00:00"
ANSWER_SECONDS = 60
"""ours: how long a command of Slurm's may take."""

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<rest>\d+(?::\d+){0,2})")
_OURS = frozenset(
    "partition time gpus-per-node array signal output error job-name ntasks nodes requeue".split()
)
"""Options of sbatch that the comparison gives itself, or by a flag of its own."""


@dataclass(frozen=True)
class Cluster:
    """Where runs become jobs, and what each job is given.

    Attributes:
        kind: `slurm` or `local`.
        partition: of Slurm; None for its default.
        gpus: a job's; None asks for none, and leaves those of this machine to local jobs.
        minutes: after which a job is stopped, with a checkpoint, and begun again; None for no limit.
        running: jobs at a time; None for as many as Slurm gives.
        sbatch: more options of sbatch by name, without dashes in front.
    """

    kind: str
    partition: str | None = None
    gpus: int | None = None
    minutes: float | None = None
    running: int | None = None
    sbatch: Mapping[str, str] = field(default_factory=dict)


def add_cluster(parser: Any) -> None:
    """The arguments about jobs."""
    parser.add_argument(
        "--cluster",
        choices=(SLURM, LOCAL),
        help="each missing run a job: of Slurm, or of this machine; both go on without the command",
    )
    parser.add_argument("--partition", metavar="P", help="of Slurm; default: Slurm's own")
    parser.add_argument(
        "--gpus",
        type=int,
        metavar="N",
        help="GPUs a run; above 1 it is trained by as many processes",
    )
    parser.add_argument(
        "--time",
        metavar="T",
        help="after which a job makes a checkpoint and is queued again, as Slurm writes it: minutes, "
        f"hours:minutes:seconds, days-hours:minutes:seconds (slurm: {USUAL_TIME}, local: no limit)",
    )
    parser.add_argument(
        "--max-running",
        type=int,
        metavar="N",
        help="jobs at a time (slurm: no limit, local: --jobs)",
    )
    parser.add_argument(
        "--sbatch",
        nargs="+",
        metavar="NAME=VALUE",
        help="more options of sbatch, such as account=me mem=32G cpus-per-task=8",
    )


WORDS = ("partition", "sbatch", "gpus", "time", "max_running")
"""What is said of a cluster, by its flag's name."""


def cluster_of(arguments: argparse.Namespace) -> Cluster | None:
    """What the arguments ask for; None where runs are to be processes of this command.

    Raises:
        SettingsError: as `cluster_from`.
    """
    words = {name: getattr(arguments, name) for name in WORDS}
    return cluster_from(arguments.cluster, arguments.jobs, words)


def cluster_from(kind: str | None, jobs: int, words: Mapping[str, Any]) -> Cluster | None:
    """What is asked for, by a command or from Python; None where runs are to be processes of this one.

    Args:
        kind: `slurm`, `local` or None.
        jobs: runs at a time, of which there may be so many local jobs.
        words: each of `WORDS`, None where it is not given: partition and time as text, `sbatch` as NAME=VALUE
            each, the others as numbers.

    Raises:
        SettingsError: a number or a time that is none, or an option of another kind of cluster.
    """
    if kind not in (None, SLURM, LOCAL):
        raise SettingsError(f"--cluster is {kind!r}; use {SLURM} or {LOCAL}")
    for name, value in words.items():
        flag = f"--{name.replace('_', '-')}"
        if value is not None and kind is None:
            raise SettingsError(
                f"{flag} is about jobs; give --cluster slurm or --cluster local too"
            )
        if value is not None and kind == LOCAL and name in ("partition", "sbatch"):
            raise SettingsError(f"{flag} is Slurm's; --cluster local has none")
        if name in ("gpus", "max_running") and value is not None:
            if not isinstance(value, int) or value < 1:
                raise SettingsError(f"{flag} is {value}; it must be a whole number, at least 1")
    if kind is None:
        return None
    usual = USUAL_TIME if kind == SLURM else None
    time = words["time"] or usual
    return Cluster(
        kind=kind,
        partition=words["partition"],
        gpus=words["gpus"],
        minutes=None if time is None else minutes_of(time),
        running=words["max_running"] or (jobs if kind == LOCAL else None),
        sbatch=_options(words["sbatch"] or ()),
    )


def minutes_of(text: str) -> int:
    """Minutes of a time as Slurm writes it, rounded up to whole ones, as Slurm counts.

    Args:
        text: M, M:S, H:M:S, D-H, D-H:M or D-H:M:S.

    Raises:
        SettingsError: it is none, or nothing is left of it.
    """
    found = _TIME.fullmatch(text.strip())
    parts = [int(part) for part in found["rest"].split(":")] if found else []
    if found and found["days"] is not None:
        hours, minutes, seconds = (parts + [0, 0])[:3]
        hours += 24 * int(found["days"])
    else:
        hours, minutes, seconds = {0: [0, 0, 0], 1: [0, *parts, 0], 2: [0, *parts], 3: parts}[
            len(parts)
        ]
    total = math.ceil(hours * 60 + minutes + seconds / 60)
    if total < 1:
        raise SettingsError(
            f"--time is {text!r}; write minutes, hours:minutes:seconds or days-hours:minutes:seconds, such "
            f"as {USUAL_TIME}"
        )
    return total


def _options(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().lstrip("-").replace("_", "-")
        if not (name and equals and value):
            raise SettingsError(f"--sbatch holds {text!r}; write NAME=VALUE, such as mem=32G")
        if name in _OURS:
            raise SettingsError(
                f"--sbatch sets {name}, which the comparison gives itself; there are --partition, --time, "
                "--gpus and --max-running"
            )
        found[name] = value
    return found


def check_cluster(cluster: Cluster) -> None:
    """Refuse a cluster that cannot be asked, before any work.

    Raises:
        SettingsError: no submitit, no Slurm on the path, no such partition, more GPUs than there are.
        RunFailed: Slurm does not answer.
    """
    if find_spec("submitit") is None:
        raise SettingsError('--cluster needs submitit; pip install "usb_ext[cluster]"')
    if cluster.kind == LOCAL:
        gpus_of_slots(cluster)
        return
    missing = [name for name in ("sbatch", "srun", "squeue", "sinfo") if shutil.which(name) is None]
    if missing:
        raise SettingsError(
            f"--cluster slurm needs Slurm, and {', '.join(missing)} is not on the path; log in where jobs "
            "are submitted, or use --cluster local"
        )
    known = sorted({line.strip() for line in asked_of_slurm("sinfo", "--noheader", "--format=%R")})
    if cluster.partition is not None and not set(cluster.partition.split(",")) <= set(known):
        raise SettingsError(
            f"--partition is {cluster.partition!r}; Slurm has {', '.join(known) or 'none'}"
        )


def gpus_of_slots(cluster: Cluster) -> list[str]:
    """Of local jobs, the GPUs of each that may run at once, as CUDA_VISIBLE_DEVICES has them.

    Args:
        cluster: local; without `gpus` no job has GPUs of its own, and the list is empty.

    Raises:
        SettingsError: more than this machine has.
    """
    if cluster.gpus is None:
        return []
    import torch

    there = torch.cuda.device_count()
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    names = names[:there] if any(names) else [str(number) for number in range(there)]
    jobs = cluster.running or 1
    if cluster.gpus * jobs > there:
        raise SettingsError(
            f"--gpus {cluster.gpus} for {jobs} jobs at a time are more than the {there} that torch sees here"
        )
    size = cluster.gpus
    return [",".join(names[slot * size : (slot + 1) * size]) for slot in range(jobs)]


def asked_of_slurm(*words: str) -> list[str]:
    """The lines that a command of Slurm's prints.

    Raises:
        RunFailed: it fails, or does not answer; in Slurm's words.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunFailed(f"Slurm does not answer: {words[0]}: {error}") from error
    if done.returncode:
        raise RunFailed(f"Slurm does not answer: {' '.join((done.stderr or done.stdout).split())}")
    return [line for line in done.stdout.splitlines() if line.strip()]
