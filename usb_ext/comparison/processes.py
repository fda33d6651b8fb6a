"""Runs as processes of their own: `usb-ext train` on a settings file, N at a time.

A run that crashes, is killed for memory or leaves the device in disorder takes nothing else with it,
and every run starts in the same state whatever ran before. The processes stand in a session of their
own, so that Ctrl-C reaches them once, through us, and each writes a checkpoint.

What is said while the runs of a comparison go on, and what their ends mean.
"""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from usb_ext.comparison.begin import TRAIN, begun
from usb_ext.comparison.plan import Failures, Planned
from usb_ext.comparison.records import Record, read_record
from usb_ext.core.files import write_text
from usb_ext.settings import resolved_yaml

POLL_SECONDS = 0.1


class Running(Protocol):
    """A run under way."""

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def send(self, signal_number: int) -> None:
        """Pass a signal on."""

    def message(self) -> str:
        """The last thing it said."""


class TrainProcess:
    """`usb-ext train` on one run.

    Args:
        run: with resolved settings.
        out: the comparison's folder: settings go to `settings/`, what is said to `logs/`.
        lock: file descriptor that the process keeps open as long as it lives.
        command: what to call.
    """

    def __init__(self, run: Planned, out: Path, lock: int, command: Sequence[str] = TRAIN) -> None:
        settings, self.log = files_of(run, out)
        self._process = begun([*command, "--c", str(settings)], self.log, keep=(lock,))

    def poll(self) -> int | None:
        """See Running."""
        return self._process.poll()

    def send(self, signal_number: int) -> None:
        """See Running."""
        self._process.send_signal(signal_number)

    def message(self) -> str:
        """See Running."""
        return last_words(self.log)


def files_of(run: Planned, out: Path) -> tuple[Path, Path]:
    """The file of a run's settings, written, and that of what it says.

    Args:
        run: with resolved settings.
        out: the comparison's folder.
    """
    settings, log = settings_of_run(out, run.name), log_of_run(out, run.name)
    for path in (settings, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(settings, resolved_yaml(run.settings))
    return settings, log


def settings_of_run(out: Path, name: str) -> Path:
    """Where the settings of a run stand, in the comparison's folder."""
    return out / "settings" / f"{name}.yaml"


def log_of_run(out: Path, name: str) -> Path:
    """Where what a run says goes, in the comparison's folder."""
    return out / "logs" / f"{name}.txt"


def last_words(log: Path) -> str:
    """The last line that a run said, at most 300 characters of it."""
    said = last_lines(log, 1)
    return said[-1].strip().removeprefix("usb-ext: ")[:300] if said else "said nothing"


def last_lines(log: Path, number: int) -> list[str]:
    """The last lines that a run said, without empty ones; none where it said nothing yet.

    Args:
        log: where its words went.
        number: of lines at most.
    """
    if not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return [line.rstrip() for line in lines if line.strip()][-number:]


def run_all(
    todo: Sequence[Planned],
    start: Callable[[Planned], Running],
    jobs: int,
    asked: Callable[[], int],
    ended: Callable[[Planned, int, str], bool],
    leave: bool = False,
) -> None:
    """Run everything, `jobs` at a time, in order.

    Args:
        todo: what to run.
        start: begins a run.
        jobs: how many at a time, >= 1.
        asked: the signal that asks to stop, 0 while nobody has; passed on to the runs once.
        ended: told of each end with its exit code and last words; False starts no more.
        leave: runs that go on without us are left alone when somebody asks to stop.
    """
    waiting, running, passed = list(todo), dict[str, tuple[Planned, Running]](), leave
    try:
        while (running or waiting) and not (asked() and (leave or not running)):
            while waiting and len(running) < jobs and not asked():
                run = waiting.pop(0)
                running[run.name] = run, start(run)
            if asked() and not passed:
                passed = True
                _send(running, asked())
            for name, (run, process) in list(running.items()):
                code = process.poll()
                if code is not None:
                    del running[name]
                    if not ended(run, code, process.message()):
                        waiting.clear()
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        if not leave:
            _send(running, signal.SIGKILL)  # only after a second Ctrl-C or a fault of ours


def _send(running: dict[str, tuple[Planned, Running]], number: int) -> None:
    if (
        number == signal.SIGPIPE
    ):  # nobody reads us, which is no news to a process with a log of its own
        number = signal.SIGTERM
    for _, process in running.values():
        if process.poll() is None:
            process.send(number)


FAILED, NO_DATA, KILLED = 1, 3, -9
"""Exit codes that mean something here; the last is that of a process of which nothing is left."""


def to_stderr(text: str) -> object:
    """Show it to the person in front of it; what the command gives goes to stdout."""
    return sys.stderr.write(text)


def guarded(say: Callable[[str], object], unseen: Callable[[], object]) -> Callable[[str], object]:
    """The same way to say something, for a reader who may go away meanwhile (`| head`).

    Args:
        say: shows a line.
        unseen: told when nobody reads any more.
    """

    def try_to_say(text: str) -> object:
        try:
            return say(text)
        except (OSError, ValueError):  # ValueError: the stream was closed
            return unseen()

    return try_to_say


class Teller:
    """Says how far a comparison is.

    Args:
        total: runs that the comparison consists of.
        done: those that were finished before.
        todo: those that are to be run.
        jobs: how many run at a time.
        say: shows a line.
    """

    def __init__(
        self, total: int, done: int, todo: int, jobs: int, say: Callable[[str], object]
    ) -> None:
        self.say = say
        self.total, self.done, self.left, self.jobs = total, total - todo, todo, jobs
        self.spent: list[float] = []
        self.say(f"runs: {total}, finished before: {done}, to do: {todo}, at a time: {jobs}\n")

    def warn(self, plan: Sequence[Planned], *, shared: bool = True) -> None:
        """What is to be said of the settings, once, and where a run can be watched.

        Args:
            plan: all runs.
            shared: whether runs share this machine's processor.
        """
        for recipe in dict.fromkeys(run.settings.recipe for run in plan if run.settings.recipe):
            self.say(f"{recipe}\n")
        for warning in dict.fromkeys(warning for run in plan for warning in run.warnings):
            self.say(f"{warning}\n")
        if shared and self.jobs > 1 and any(run.settings.num_threads is None for run in plan):
            self.say(f"{self.jobs} runs at a time share the processor; --num_threads limits each\n")
        if self.left:
            self.say(f"watch a run in {plan[0].folder.path.parent.parent / 'logs'}\n")

    def ended(self, name: str, what: str, seconds: float) -> None:
        """One run ended: what came of it, and about how long the rest will take."""
        self.done, self.left = self.done + 1, self.left - 1
        self.spent.append(seconds)
        rest = sum(self.spent) / len(self.spent) * self.left / min(self.jobs, max(1, self.left))
        still = f"; about {duration(rest)} left" if self.left else ""
        self.say(f"{self.done}/{self.total} {name}: {what} in {duration(seconds)}{still}\n")


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Ends:
    """Keeps what came of each run.

    Attributes:
        reasons: why a run cannot be used, by name.
        data_missing: the message of a run that found no data; no further run is begun then.

    Args:
        failures: where failures are kept, so that they are not trained again.
        teller: who says it.
    """

    def __init__(self, failures: Failures, teller: Teller) -> None:
        self.failures = failures
        self.teller = teller
        self.reasons: dict[str, str] = {}
        self.data_missing = ""
        self._since: dict[str, float] = {}

    def begun(self, run: Planned, process: Running) -> Running:
        """A run begins; gives the process back."""
        self._since[run.name] = time.monotonic()
        self.failures.forget(run)
        return process

    def ended(self, run: Planned, code: int, message: str) -> bool:
        """A run ended with an exit code (negative: by a signal) and last words.

        Returns:
            Whether further runs make sense.
        """
        record = read_record(run.folder)
        if code == 0 and isinstance(record, Record):
            what = f"error {record.errors['last']:.2f}%"
        else:
            why = message if code else str(record)
            what = self.reasons[run.name] = f"{_kind(code)}: {why}"
        if code == FAILED:
            self.failures.add(run, self.reasons[run.name])
        if code == NO_DATA:
            self.data_missing = f"{run.name}: {message}"
        self.teller.ended(run.name, what, time.monotonic() - self._since[run.name])
        return code != NO_DATA


def _kind(code: int) -> str:
    """What an exit code means."""
    if code < 0:
        return f"killed by signal {-code}"
    return "stopped" if code > 128 else "failed"
