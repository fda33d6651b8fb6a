"""Runs as forks of one process: the same as processes of their own, and what is done where they cannot be."""

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from support.compare import planned
from support.run import TINY, assert_same_state

from usb_ext.comparison import forks as module
from usb_ext.comparison.forks import Forks
from usb_ext.comparison.plan import Planned
from usb_ext.comparison.processes import Running
from usb_ext.core.lock import locked
from usb_ext.settings import load_settings
from usb_ext.training.train import train

SECONDS = 90


def ended(run: Running) -> int:
    """The exit code, once there is one."""
    until = time.monotonic() + SECONDS
    while (code := run.poll()) is None and time.monotonic() < until:
        time.sleep(0.02)
    assert code is not None
    return code


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


def test_forks_give_the_bits_codes_and_words_of_processes(tmp_path: Path) -> None:
    """Two seeds, a folder that is not there, and a run that is asked to stop; all from one server."""
    tiny = {k: v for k, v in TINY.items() if k not in ("save_name", "algorithm")}
    runs = planned(tmp_path, "layermatch", seeds=(0, 1), counts=(10,), **tiny)
    lost = planned(
        tmp_path, "lost=fixmatch", seeds=(0,), counts=(10,),
        **{**tiny, "dataset": "imagefolder", "data_dir": str(tmp_path / "none")},
    )[0]  # fmt: skip
    long = planned(
        tmp_path, "long=fixmatch", seeds=(0,), counts=(10,), **{**tiny, "num_train_iter": 100_000}
    )[0]
    with locked(tmp_path / ".lock", "a comparison", inherited=True) as lock:
        server = Forks(fork=True)
        assert [ended(server(run, tmp_path, lock)) for run in runs] == [0, 0]
        missing = server(lost, tmp_path, lock)
        assert ended(missing) == 3 and "no folder" in missing.message()
        stopped = server(long, tmp_path, lock)
        until = time.monotonic() + SECONDS
        while (
            not (long.settings.run_dir / "latest_model.pth").exists() and time.monotonic() < until
        ):
            time.sleep(0.02)
        stopped.send(signal.SIGTERM)
        assert ended(stopped) == 128 + signal.SIGTERM and "checkpoint written" in stopped.message()
        assert len(set(server.pids.values())) == 4
        server.close()
    for run in runs:
        here = {"save_dir": str(tmp_path / "here"), "resume": False}
        train(load_settings(run.settings.model_dump(), here))
        files = [
            place / run.name / "latest_model.pth"
            for place in (tmp_path / "runs", tmp_path / "here")
        ]
        states = [torch.load(file, weights_only=True) for file in files]
        for part in ("model", "ema_model", "optimizer"):
            assert_same_state(*(state[part] for state in states))


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
