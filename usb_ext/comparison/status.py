"""How far the runs of a comparison's folder are, whatever has started them: `usb-ext compare --status DIR`.

What is read: a run's `result.json`, `metrics.jsonl` and lock, the comparison's `settings/`, `logs/`,
`failed.json` and `cluster.json`, and Slurm's queue where runs are Slurm's. Nothing is written.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_ext.comparison.job_record import Job, cancel_words, code_of, read_jobs, states_of, words_of
from usb_ext.comparison.plan import Failures
from usb_ext.comparison.processes import FAILED, duration, last_lines, log_of_run, settings_of_run
from usb_ext.comparison.records import Record, read_record
from usb_ext.core.errors import DataMissing
from usb_ext.core.files import RunFolder
from usb_ext.core.folders import RUN, has_checkpoint, read_marker
from usb_ext.core.lock import LOCK, holder_here, is_of_here, signed
from usb_ext.settings.sources import read_yaml

DONE, RUNNING, STOPPED, WAITS, FAILS = "done", "running", "stopped", "waiting", "failed"
STATES = (DONE, RUNNING, STOPPED, WAITS, FAILS)
LINES = 3
"""ours: lines of a failed run's log that are shown."""
TAIL_BYTES = 1 << 16
ACTIVE = ("RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING")


@dataclass(frozen=True)
class Row:
    """Where a run stands.

    Attributes:
        name: of its folder.
        state: one of STATES.
        step: steps taken, as far as it has written them down.
        steps: steps that it is to take; None where its settings cannot be read.
        seconds_left: of training, at the pace between its last two lines; None where nobody knows.
        said: an error, a reason, a place.
    """

    name: str
    state: str
    step: int = 0
    steps: int | None = None
    seconds_left: float | None = None
    said: str = ""


@dataclass(frozen=True)
class Found:
    """What a comparison's folder and a queue say.

    Attributes:
        out: the folder.
        jobs: of runs, by name.
        states: of jobs that are not over, by number; None where Slurm does not answer.
        failures: reasons of runs that failed, by name.
    """

    out: Path
    jobs: Mapping[str, Job]
    states: Mapping[str, tuple[str, str]] | None
    failures: Mapping[str, str]


def status(out: Path) -> str:
    """The table of a comparison's folder, how its runs failed, and how to cancel what goes on.

    Args:
        out: the folder of a comparison, or one whose folders are runs.

    Raises:
        DataMissing: it is none.
    """
    jobs = read_jobs(out)
    states = states_of(jobs.values())
    known = Failures(out / "failed.json").known
    reasons = {name: str(entry.get("reason")) for name, entry in known.items()}
    found = Found(out, jobs, states, reasons)
    rows = rows_of(found)
    if not rows:
        raise DataMissing(f"{out} holds no runs; give the folder of a comparison (--out)")
    parts = [table(rows), summary(rows)]
    if states is None:
        parts.append("Slurm does not answer; what its jobs do is not known")
    parts += failed_lines(out, {row.name: row.said for row in rows if row.state == FAILS})
    if live := [job for job in jobs.values() if states is None or job.number in states]:
        parts.append(f"cancel with `{cancel_words(live)}`; the same command goes on afterwards")
    return "\n".join(parts)


def rows_of(found: Found) -> list[Row]:
    """A row for each run: those with settings in the comparison, and those with a folder.

    Args:
        found: what is known of them.
    """
    place = found.out / "runs" if (found.out / "runs").is_dir() else found.out
    folders = place.iterdir() if place.is_dir() else ()
    names = {p.name for p in folders if p.is_dir() and read_marker(p).get("stage") == RUN}
    names |= {path.stem for path in (found.out / "settings").glob("*.yaml")}
    return [_row(found, name, RunFolder(place / name)) for name in sorted(names)]


def _row(found: Found, name: str, folder: RunFolder) -> Row:
    steps = _steps(settings_of_run(found.out, name), folder.config)
    record = read_record(folder)
    if isinstance(record, Record):
        taken = int(record.raw.get("iterations") or 0)
        return Row(name, DONE, taken, steps, said=f"error {record.errors['last']:.2f}%")
    step, pace = _pace(folder.metrics)
    left = None if steps is None or pace is None else (steps - step) * pace
    state, said = _state(found, name, folder)
    return Row(name, state, step, steps, left if state == RUNNING else None, said)


def _state(found: Found, name: str, folder: RunFolder) -> tuple[str, str]:
    """State and reason of a run that is not done."""
    lock, job = folder.path / LOCK, found.jobs.get(name)
    if job is not None:
        code = code_of(found.out, name, job, found.states)
        if code is None and found.states is None:
            return WAITS, f"job {job.number}"
        if code is None and found.states and job.number in found.states:
            word, why = found.states[job.number]
            said = f"job {job.number}{': ' if why else ''}{why}"
            return (RUNNING if word in ACTIVE else WAITS), said
        if code == FAILED:
            return FAILS, f"failed: {words_of(found.out, name, job)}"
    holder = signed(lock)
    if holder is not None and (holder_here(lock) or (job is None and not is_of_here(holder))):
        return RUNNING, f"process {holder.get('pid')} on {holder.get('host')}"
    if name in found.failures:
        return FAILS, found.failures[name]
    if has_checkpoint(folder.path):
        return STOPPED, "the same command goes on"
    return WAITS, ""


def _steps(*files: Path) -> int | None:
    """Steps of a run by the first of its settings files that is there."""
    for file in files:
        if file.is_file():
            value = read_yaml(file).get("num_train_iter")
            return value if isinstance(value, int) else None
    return None


def _pace(metrics: Path) -> tuple[int, float | None]:
    """The last step that is written down, and seconds a step between the last two lines."""
    rows = list(_rows(metrics))[-2:]
    if not rows:
        return 0, None
    step, seconds = rows[-1]
    before = rows[0] if len(rows) == 2 else (0, 0.0)
    taken = step - before[0]
    return step, (seconds - before[1]) / taken if taken > 0 and seconds > before[1] else None


def _rows(metrics: Path) -> Iterable[tuple[int, float]]:
    """Step and seconds trained of the last lines of a `metrics.jsonl`."""
    try:
        with metrics.open("rb") as file:
            file.seek(max(0, metrics.stat().st_size - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row: Any = json.loads(line)
            yield int(row["it"]), float(row["time"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, as wide as what they hold.

    Args:
        rows: of all runs.
    """
    cells = [("run", "state", "step", "left", "")]
    for row in rows:
        step = f"{row.step}/{'?' if row.steps is None else row.steps}"
        left = "" if row.seconds_left is None else duration(row.seconds_left)
        cells.append((row.name, row.state, step, left, row.said))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join(
        "  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[4]]).rstrip()
        for line in cells
    )


def summary(rows: Sequence[Row]) -> str:
    """How many runs are in which state."""
    counts = Counter(row.state for row in rows)
    return f"{len(rows)} runs: " + ", ".join(f"{counts[s]} {s}" for s in STATES if counts[s])


def failed_lines(out: Path, reasons: Mapping[str, str]) -> list[str]:
    """Of each failed run its name, the reason, and the last lines of its log.

    Args:
        out: the comparison's folder.
        reasons: by name.
    """
    lines = []
    for name, reason in reasons.items():
        log = log_of_run(out, name)
        lines.append(f"{name}: {reason}; the end of {log}:")
        lines += [f"    {line}" for line in last_lines(log, LINES)] or ["    nothing"]
    return lines
