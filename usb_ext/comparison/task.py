"""What a job does: `usb-ext train` on one run, in a process of its own as everywhere, and its exit code kept.

submitit unpickles a `Task` in the job and calls it. When the job's time is nearly up, or it has to make room,
submitit's signal comes: the run is asked to stop, writes its checkpoint, and the job is queued again; a run
goes on from its checkpoint by its own setting (`resume: true`).
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import DelayedSubmission, UncompletedJobError

from usb_ext.comparison.begin import begun
from usb_ext.comparison.records import is_completed
from usb_ext.core.files import write_json

POLL_SECONDS = 0.2
HEARD_SECONDS = 1.0
"""ours: how long a run may have heard SIGTERM itself, as Slurm signals one or all of a job."""


@dataclass
class Task:
    """One run as a job.

    Attributes:
        command: what to call, with the run's settings.
        log: where what it says goes; each sitting adds to it.
        ended: JSON that is written at the run's end: the job's number and the exit code.
        result: the record of the run, which says whether it was at its end before it was stopped.
        gpus: CUDA_VISIBLE_DEVICES of a local job, None for unset; Slurm sets its own.
    """

    command: tuple[str, ...]
    log: str
    ended: str
    result: str
    gpus: str | None = None
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _asked_at: float | None = field(default=None, repr=False)

    def __call__(self) -> int:
        """Train; gives the exit code, negative for a signal."""
        place = JobEnvironment()
        if place.cluster == "local":
            _set_gpus(self.gpus)
        signal.signal(signal.SIGTERM, self._ask)
        Path(self.ended).unlink(missing_ok=True)  # of a sitting before, where a node was taken away
        with _blocked(warning_signal()):  # blocked in the run and all that it starts
            self._process = process = begun(self.command, Path(self.log), again=True)
        with contextlib.suppress(UncompletedJobError):  # it ended by itself while its time was up
            while process.poll() is None:
                self._pass_on(process)
                time.sleep(POLL_SECONDS)
            signal.signal(warning_signal(), signal.SIG_IGN)  # too late
        code = process.wait()
        code = 0 if self._completed() else code  # its process was stopped after that
        write_json(Path(self.ended), {"job": place.job_id, "code": code})
        return code

    def checkpoint(self) -> DelayedSubmission | None:
        """Called by submitit in the handler of its signal: stop the run and say what the job does next.

        Returns:
            The same task, to be queued again; None where the run has ended for good or is cancelled.
        """
        process = self._process
        if process is None:
            return DelayedSubmission(self._again())
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        # Not `process.wait`, whose lock the code under this handler may hold.
        try:
            found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:  # its end is known already
            return None
        stopped = found is None or found.si_code != os.CLD_EXITED or found.si_status > 128
        if self._completed():
            return None
        return DelayedSubmission(self._again()) if stopped and self._asked_at is None else None

    def _again(self) -> "Task":
        return Task(self.command, self.log, self.ended, self.result, self.gpus)

    def _completed(self) -> bool:
        """Whether the run is done, whatever became of its process afterwards."""
        return is_completed(Path(self.result))

    def _ask(self, number: int, frame: FrameType | None) -> None:
        """Somebody cancels the job."""
        self._asked_at = self._asked_at or time.monotonic()

    def _pass_on(self, process: "subprocess.Popen[bytes]") -> None:
        """Ask the run to stop, once, if it has not heard it itself."""
        if self._asked_at is not None and time.monotonic() - self._asked_at > HEARD_SECONDS:
            self._asked_at = float("inf")
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)


def warning_signal() -> int:
    """The signal with which submitit hears that a job's time is nearly up."""
    return int(getattr(signal, f"SIG{JobEnvironment.USR_SIG}"))


def _set_gpus(gpus: str | None) -> None:
    if gpus is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus


@contextlib.contextmanager
def _blocked(number: int) -> Iterator[None]:
    """Inside, a signal waits; a process that is started inside never gets it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
