"""Runs as forks of one process: what is done where they cannot be, and where the server is gone."""

import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support.compare import ended, planned

from usb_ext.comparison import forks as module
from usb_ext.comparison.forks import Forks
from usb_ext.comparison.plan import Planned
from usb_ext.core.lock import locked


def stub(folder: Path, *answers: dict[str, Any]) -> tuple[str, ...]:
    """A server that gives fixed answers, the first at once and one for each line that it gets."""
    script = folder / "server.py"
    first, rest = answers[0], list(answers[1:])
    script.write_text(
        "import json, sys\n"
        f"print(json.dumps({first!r}), flush=True)\n"
        f"for answer, line in zip({rest!r}, sys.stdin):\n"
        "    print(json.dumps({'name': json.loads(line)['name'], **answer}), flush=True)\n"
    )
    return sys.executable, str(script)


class Own:
    """Stands in for a process of its own."""

    begun: list[str] = []

    def __init__(self, run: Planned, out: Path, lock: int) -> None:
        self.begun.append(run.name)


@pytest.mark.parametrize("fork", [True, False])
def test_where_forking_is_not_safe_runs_are_processes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork: bool
) -> None:
    """The server says no (a GPU is in use), or the system is one where nobody asks."""
    monkeypatch.setattr(module, "TrainProcess", Own)
    Own.begun.clear()
    runs = planned(tmp_path, "uda", seeds=(0, 1))
    server = Forks(stub(tmp_path, {"ready": False}), fork=fork)
    with locked(tmp_path / ".lock", "a comparison", inherited=True) as lock:
        assert all(isinstance(server(run, tmp_path, lock), Own) for run in runs)
    server.close()
    assert Own.begun == [run.name for run in runs]


def test_a_run_whose_server_is_gone_counts_as_killed_and_the_next_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TrainProcess", Own)
    first, second = planned(tmp_path, "uda", seeds=(0, 1))
    server = Forks(stub(tmp_path, {"ready": True}, {"pid": 2**30}), fork=True)
    with locked(tmp_path / ".lock", "a comparison", inherited=True) as lock:
        assert ended(server(first, tmp_path, lock)) == -signal.SIGKILL
        assert isinstance(server(second, tmp_path, lock), Own)
    server.close()


def test_an_end_that_was_told_stays_after_the_server_is_gone(tmp_path: Path) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    server = Forks(stub(tmp_path, {"ready": True}, {"pid": 2**30, "code": 1}), fork=True)
    with locked(tmp_path / ".lock", "a comparison", inherited=True) as lock:
        forked = server(run, tmp_path, lock)
        assert ended(forked) == 1
        forked.send(signal.SIGTERM)  # nobody is there to get it
    server.close()
    assert server.codes == {run.name: 1}
