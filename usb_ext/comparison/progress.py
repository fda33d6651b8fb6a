"""What is said while the runs of a comparison go on, and what their ends mean."""

import sys
import time
from collections.abc import Callable, Sequence

from usb_ext.comparison.existing import Failures
from usb_ext.comparison.plan import Planned
from usb_ext.comparison.processes import Running
from usb_ext.comparison.records import Record, read_record

FAILED, NO_DATA = 1, 3


def to_stderr(text: str) -> object:
    """Show it to the person in front of it; what the command gives goes to stdout."""
    return sys.stderr.write(text)


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

    def warn(self, plan: Sequence[Planned]) -> None:
        """What is to be said of the settings, once, and where a run can be watched."""
        for warning in dict.fromkeys(warning for run in plan for warning in run.warnings):
            self.say(f"{warning}\n")
        if self.jobs > 1 and any(run.settings.num_threads is None for run in plan):
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
