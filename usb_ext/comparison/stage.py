"""The compare stage: run what is missing, then report.

The folder of a comparison: `runs/NAME/` one run each, `settings/NAME.yaml` and `logs/NAME.txt` of each
training process, `failed.json`, of jobs `cluster.json` and `cluster/`, and the report `compare.json`, `.md`,
`.tex`, `.csv`, `.png`, `.svg`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from usb_ext.comparison.against import refuse_other_data_set
from usb_ext.comparison.cluster import LOCAL, check_cluster
from usb_ext.comparison.entries import Entry, of_one_source
from usb_ext.comparison.forks import forks
from usb_ext.comparison.job_record import FOLDER, RECORD, note_ends, refuse_live
from usb_ext.comparison.jobs import Jobs
from usb_ext.comparison.methods import Order
from usb_ext.comparison.page import as_markdown, write_files
from usb_ext.comparison.plan import Failures, Planned, completed, refuse_other_settings
from usb_ext.comparison.processes import (
    Ends,
    Running,
    Teller,
    files_of,
    guarded,
    run_all,
    to_stderr,
)
from usb_ext.comparison.records import read_record
from usb_ext.comparison.report import make_report
from usb_ext.comparison.same_data import DataNow, refuse_other_data
from usb_ext.comparison.status import failed_lines
from usb_ext.core.errors import DataMissing, Interrupted, SettingsError
from usb_ext.core.lock import LOCK, locked
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.engine.parts import STOPPING, Stop
from usb_ext.training.compose import algorithm_classes, resolved

REPORT = tuple(f"compare.{ending}" for ending in ("json", "md", "tex", "csv", "png", "svg"))
OUTPUTS = (*REPORT, "failed.json", "settings", "logs")
OF_JOBS = (RECORD, FOLDER)
LEAVING = "the report is made of what is finished; jobs go on"

Start = Callable[[Planned, Path, int], Running]
"""Begins a run: the run, the comparison's folder, the lock to hold."""


def compare(
    plan: Sequence[Planned],
    order: Order,
    start: Start | None = None,
    stop: Stop | None = None,
    say: Callable[[str], object] = to_stderr,
    prepare: Callable[[Sequence[Planned]], object] = bool,
) -> dict[str, Any]:
    """Run what is missing of a plan, then report.

    Args:
        plan: all runs of the comparison.
        order: what else was asked for.
        start: begins a run; by default as a fork (`comparison/forks.py`).
        stop: the wish to stop; by default Ctrl-C and SIGTERM.
        say: shows a line to the person in front of it.
        prepare: makes the files that the runs to be made need; by default they need none.

    Returns:
        The report, which is also written to the folder; `page` is its Markdown.

    Raises:
        SettingsError: before any run: a method that cannot be, a folder with other settings or data.
        DataMissing: the first run found no data.
        Interrupted: asked to stop, after the checkpoints of what was running.
    """
    check_outputs(order.out, OUTPUTS)
    ready = resolved_plan(plan)
    refuse_other_settings(ready)
    if order.other is not None:
        refuse_other_data_set(order.other, [run.settings.dataset for run in ready])
    data = DataNow()
    refuse_other_data(ready, data, say)
    failures = Failures(order.out / "failed.json", data.sha256)
    live = note_ends(ready, order.out, failures)
    trained = Trained({name: state.lower() for name, state in live.items()})
    if order.train:

        def made(todo: Sequence[Planned]) -> None:
            prepare(todo)
            data.forget()

        trained = _train(ready, order, failures, live, start, stop or Stop(), say, made)
    entries = [_entry(run, trained.reasons.get(run.name) or failures.reason(run)) for run in ready]
    reported = report(entries, order)
    if trained.left is not None:
        raise trained.left
    return reported


class Trained(NamedTuple):
    """What came of the running.

    Attributes:
        reasons: why a run cannot be used, by name.
        left: what is to be raised after the report, where jobs go on that nobody waits for any more.
    """

    reasons: dict[str, str]
    left: Interrupted | None = None


def report(entries: Sequence[Entry], order: Order) -> dict[str, Any]:
    """Report on runs, whatever they came from.

    Args:
        entries: all runs, those that cannot be used with their reason.
        order: what was asked for.

    Returns:
        The report, with `page`, its Markdown.
    """
    if order.other is not None:
        records = [entry.record for entry in entries if entry.record is not None]
        refuse_other_data_set(order.other, [record.raw.get("dataset") for record in records])
    of_one = of_one_source(entries, order.allow_mixed)
    made = make_report(of_one, order.metric, order.target, order.about, order.other)
    claim_outputs(order.out, REPORT)
    write_files(made, order.out)
    return {**made, "page": as_markdown(made, [order.metric])}


def resolved_plan(plan: Sequence[Planned]) -> list[Planned]:
    """The runs with every option of their algorithms filled in.

    Args:
        plan: all runs of a comparison.

    Raises:
        SettingsError: a method that cannot be; its label stands in front.
    """
    return [_resolved(run) for run in plan]


def _resolved(run: Planned) -> Planned:
    """The run with every option of its algorithm filled in, as the train stage will have it."""
    try:
        settings = resolved(run.settings, algorithm_classes(run.settings))
    except SettingsError as error:
        raise SettingsError(f"method {run.method.label!r}: {error}") from error
    return replace(run, settings=settings)


def _train(
    plan: Sequence[Planned],
    order: Order,
    failures: Failures,
    live: Mapping[str, str],
    start: Start | None,
    stop: Stop,
    say: Callable[[str], object],
    prepare: Callable[[Sequence[Planned]], object],
) -> Trained:
    """Run what is missing, as processes of ours or as jobs; `live` are runs that are jobs already."""
    done = [run for run in plan if completed(run)]
    again = [run for run in plan if order.retry or failures.reason(run) is None]
    todo = [run for run in again if not completed(run)]
    todo.sort(key=lambda run: run.name not in live)
    cluster, jobs = order.cluster, _at_a_time(order, todo, live)
    heard = guarded(say, stop.unseen)
    teller = Teller(len(plan), len(done), len(todo), jobs, heard)
    teller.warn(plan, shared=cluster is None or cluster.kind == LOCAL)
    if not todo:
        return Trained({})
    claim_outputs(order.out, OUTPUTS if cluster is None else (*OUTPUTS, *OF_JOBS))
    ends, submitted = Ends(failures, teller), None
    with locked(order.out / LOCK, "a comparison", inherited=True) as lock, forks() as fork:
        prepare([run for run in todo if run.name not in live])
        for run in todo:
            files_of(run, order.out)
        begin = start or fork
        if cluster is not None:
            begin = submitted = Jobs(cluster, order.out, todo, live, heard)
        with stop.on_signals(STOPPING if submitted is None else LEAVING):
            run_all(
                todo,
                lambda run: ends.begun(run, begin(run, order.out, lock)),
                jobs,
                lambda: stop.requested,
                ends.ended,
                leave=submitted is not None,
            )
    return _ended(plan, order, ends, stop, submitted)


def _at_a_time(order: Order, todo: Sequence[Planned], live: Mapping[str, str]) -> int:
    """How many runs at a time; refuses a cluster that cannot be asked, and to run here what is a job."""
    if order.cluster is None:
        refuse_live(live, order.out)
        return order.jobs
    check_outputs(order.out, OF_JOBS)
    if todo:
        check_cluster(order.cluster)
    return order.cluster.running or max(1, len(todo))


def _ended(
    plan: Sequence[Planned], order: Order, ends: Ends, stop: Stop, jobs: Jobs | None
) -> Trained:
    """What came of runs, once all have ended or somebody has asked to stop."""
    if jobs is not None and ends.reasons:
        ends.teller.say("\n".join(failed_lines(order.out, ends.reasons)) + "\n")
    if ends.data_missing:
        raise DataMissing(ends.data_missing)
    if not stop.requested:
        return Trained(ends.reasons)
    finished = sum(map(completed, plan))
    how = f"stopped with {finished} of {len(plan)} runs finished; the same command goes on"
    if jobs is None:
        raise Interrupted(how, stop.requested)
    live = note_ends(plan, order.out, ends.failures)
    if live:
        how = (
            f"finished: {finished} of {len(plan)} runs; jobs that go on without this command: {len(live)}; "
            f"{jobs.how_to()}; the same command waits for them again, and begins what has no job"
        )
    reasons = {name: state.lower() for name, state in live.items()}
    return Trained({**ends.reasons, **reasons}, Interrupted(how, stop.requested))


def _entry(run: Planned, reason: str | None) -> Entry:
    """What came of a run; a record that is there counts, whatever happened before it."""
    record = read_record(run.folder)
    where = (run.method.label, run.num_labels, run.fold, run.folder.path)
    if isinstance(record, str):
        return Entry(*where, None, reason or record)
    return Entry(*where, record)
