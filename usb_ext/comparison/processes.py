"""Runs as processes of their own: `usb-ext train` on a settings file, N at a time.

A run that crashes, is killed for memory or leaves the device in disorder takes nothing else with it,
and every run starts in the same state whatever ran before. The processes stand in a session of their
own, so that Ctrl-C reaches them once, through us, and each writes a checkpoint.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import usb_ext
from usb_ext.atomic_files import write_text
from usb_ext.comparison.plan import Planned
from usb_ext.settings import resolved_yaml

TRAIN = (sys.executable, "-P", "-m", "usb_ext", "train")
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
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [*command, "--c", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=surroundings(),
                start_new_session=True,
                pass_fds=(lock,),
            )

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
    settings, log = out / "settings" / f"{run.name}.yaml", out / "logs" / f"{run.name}.txt"
    for path in (settings, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(settings, resolved_yaml(run.settings))
    return settings, log


def surroundings() -> dict[str, str]:
    """Environment variables with which another process imports this very package."""
    root = str(Path(usb_ext.__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def last_words(log: Path) -> str:
    """The last line that a run said, at most 300 characters of it."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1].removeprefix("usb-ext: ")[:300] if said else "said nothing"


def run_all(
    todo: Sequence[Planned],
    start: Callable[[Planned], Running],
    jobs: int,
    asked: Callable[[], int],
    ended: Callable[[Planned, int, str], bool],
) -> None:
    """Run everything, `jobs` at a time, in order.

    Args:
        todo: what to run.
        start: begins a run.
        jobs: how many at a time, >= 1.
        asked: the signal that asks to stop, 0 while nobody has; passed on to the runs once.
        ended: told of each end with its exit code and last words; False starts no more.
    """
    waiting, running, passed = list(todo), dict[str, tuple[Planned, Running]](), False
    try:
        while running or (waiting and not asked()):
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
        _send(running, signal.SIGKILL)  # only after a second Ctrl-C or a fault of ours


def _send(running: dict[str, tuple[Planned, Running]], number: int) -> None:
    for _, process in running.values():
        if process.poll() is None:
            process.send(number)
