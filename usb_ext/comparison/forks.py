"""Runs as forks of one process that has imported everything once (`cli/serve_runs.py`).

Importing torch and semilearn takes 8 seconds and more, which is most of a short run. A fork starts in the
same state whatever ran before it, takes nothing with it when it is killed, and gives the same bits as a
process of its own; where forking is not safe (other systems than Linux, a GPU that is in use already) runs
are processes of their own.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from usb_ext.comparison.begin import surroundings
from usb_ext.comparison.plan import Planned
from usb_ext.comparison.processes import (
    KILLED,
    Running,
    TrainProcess,
    files_of,
    last_words,
)

SERVE = (sys.executable, "-P", "-m", "usb_ext.cli.serve_runs")
SECONDS_TO_END = 10.0


class Forks:
    """Begins runs; called as `TrainProcess` is.

    Args:
        command: what serves runs.
        fork: whether to try at all.
    """

    def __init__(self, command: Sequence[str] = SERVE, *, fork: bool | None = None) -> None:
        self.command = command
        self.fork = sys.platform == "linux" if fork is None else fork
        self.pids: dict[str, int] = {}
        self.codes: dict[str, int] = {}
        self._server: subprocess.Popen[bytes] | None = None
        self._ready: bool | None = None
        self._half = b""

    def __call__(self, run: Planned, out: Path, lock: int) -> Running:
        """Begin a run.

        Args:
            run: with resolved settings.
            out: the comparison's folder.
            lock: file descriptor that stays open as long as a run lives.
        """
        if not self._serving(out, lock):
            return TrainProcess(run, out, lock)
        settings, log = files_of(run, out)
        log.touch()
        self.codes.pop(run.name, None)
        self.pids.pop(run.name, None)
        wish = {"name": run.name, "settings": str(settings), "log": str(log)}
        self._send(wish)
        while run.name not in self.pids and self.listen(None):
            pass
        return ForkedRun(self, run.name, log)

    def _serving(self, out: Path, lock: int) -> bool:
        """Whether a process is there that serves runs; the first call starts it."""
        if not self.fork:
            return False
        if self._server is None:
            place = out / "logs" / "serve_runs.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as said:
                self._server = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    env=surroundings(),
                    start_new_session=True,
                    pass_fds=(lock,),
                )
            while self._ready is None and self.listen(None):
                pass
        self.fork = bool(self._ready)
        return self.fork

    def listen(self, seconds: float | None) -> bool:
        """Read what the server says, waiting so long (None: until it says something); False at its end."""
        if self._server is None or self._server.stdout is None:
            return False
        place = self._server.stdout.fileno()
        if not select.select([place], [], [], seconds)[0]:
            return True
        part = os.read(place, 2**16)
        *lines, self._half = (self._half + part).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))
        if not part:
            self._ready = False
        return bool(part)

    def _hear(self, said: dict[str, object]) -> None:
        name = str(said.get("name"))
        if "ready" in said:
            self._ready = bool(said["ready"])
        for key, kept in (("pid", self.pids), ("code", self.codes)):
            if isinstance(value := said.get(key), int):
                kept[name] = value

    def _send(self, wish: dict[str, str]) -> None:
        if self._server is None or self._server.stdin is None:
            return
        try:
            self._server.stdin.write((json.dumps(wish) + "\n").encode())
            self._server.stdin.flush()
        except BrokenPipeError:
            self._ready = False

    def close(self) -> None:
        """Let the server end; runs that still live go on without it."""
        if self._server is None:
            return
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._server.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return


class ForkedRun:
    """A run that the server has begun.

    Args:
        forks: the server's owner.
        name: the run's name.
        log: where its words go.
    """

    def __init__(self, forks: Forks, name: str, log: Path) -> None:
        self.forks, self.name, self.log = forks, name, log

    def poll(self) -> int | None:
        """See Running; a run whose server was killed counts as killed."""
        alive = self.forks.listen(0)
        code = self.forks.codes.get(self.name)
        return KILLED if code is None and not alive else code

    def send(self, signal_number: int) -> None:
        """See Running."""
        pid = self.forks.pids.get(self.name)
        if pid is not None and self.name not in self.forks.codes:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal_number)

    def message(self) -> str:
        """See Running."""
        return last_words(self.log)


@contextmanager
def forks() -> Iterator[Forks]:
    """Begins runs, and lets go of the server afterwards."""
    made = Forks()
    try:
        yield made
    finally:
        made.close()
