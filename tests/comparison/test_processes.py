"""Runs as processes: how many at a time, how they are stopped, and what stays locked."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.compare import Ended, planned

from usb_ext.comparison import processes
from usb_ext.comparison.plan import Failures, Planned
from usb_ext.comparison.processes import Ends, Teller, TrainProcess, duration, run_all
from usb_ext.core.errors import RunFailed
from usb_ext.core.lock import locked
from usb_ext.settings import load_settings

WAITS = """
import pathlib, signal, sys, time
place = pathlib.Path(sys.argv[-1])
def stop(number, frame):
    with place.with_suffix(".signals").open("a") as file: file.write(f"{number} ")
    time.sleep(0.3)
    print("usb-ext: stopped"); sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
place.with_suffix(".ready").touch()
time.sleep(30)
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Callable[[Planned, int], TrainProcess]:
    """Starts a process that waits to be stopped, and tells once it can be."""
    script = tmp_path / "waits.py"
    script.write_text(WAITS)

    def start(run: Planned, lock: int) -> TrainProcess:
        process = TrainProcess(run, tmp_path, lock, (sys.executable, str(script)))
        until = time.monotonic() + 20
        while not list(tmp_path.glob(f"settings/{run.name}.ready")) and time.monotonic() < until:
            time.sleep(0.02)
        return process

    return start


def test_a_process_gets_the_settings_and_tells_how_it_ended(tmp_path: Path) -> None:
    run = planned(tmp_path, "uda:T=0.7", seeds=(3,))[0]
    says = "import sys; print(sys.argv[1:]); print('usb-ext: bad luck\\n'); sys.exit(1)"
    with locked(tmp_path / ".lock", "a comparison", inherited=True) as lock:
        process = TrainProcess(run, tmp_path, lock, (sys.executable, "-c", says))
        codes: list[tuple[int, str]] = []
        run_all([run], lambda _: process, 1, lambda: 0, lambda _, *end: not codes.append(end))
    assert codes == [(1, "bad luck")]
    settings = tmp_path / "settings" / f"{run.name}.yaml"
    assert f"['--c', '{settings}']" in (tmp_path / "logs" / f"{run.name}.txt").read_text()
    assert load_settings(settings).settings == run.settings


def test_a_wish_to_stop_reaches_every_process_once(
    tmp_path: Path, waiting: Callable[[Planned, int], TrainProcess]
) -> None:
    plan = planned(tmp_path, "uda", seeds=(0, 1, 2))
    begun: list[str] = []
    codes: list[int] = []

    def start(run: Planned) -> TrainProcess:
        begun.append(run.name)
        return waiting(run, lock)

    def asked() -> int:
        return signal.SIGTERM if len(begun) == 2 else 0

    with locked(tmp_path / ".lock", "a comparison", inherited=True) as lock:
        run_all(plan, start, 2, asked, lambda _, code, said: not codes.append(code))
    assert begun == [run.name for run in plan[:2]] and codes == [143, 143]
    for name in begun:
        assert (tmp_path / "settings" / f"{name}.signals").read_text() == f"{int(signal.SIGTERM)} "


def test_what_a_killed_comparison_left_behind_keeps_the_folder(
    tmp_path: Path, waiting: Callable[[Planned, int], TrainProcess]
) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    with locked(tmp_path / ".lock", "a comparison", inherited=True) as lock:
        process = waiting(run, lock)
    with (
        pytest.raises(RunFailed, match="is in use: a comparison"),
        locked(tmp_path / ".lock", "a comparison"),
    ):
        pass
    process.send(signal.SIGKILL)
    until = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert process.poll() == -signal.SIGKILL
    with locked(tmp_path / ".lock", "a comparison"):
        pass


class Slow(Ended):
    """Ends after it was asked a few times."""

    alive: int = 0
    most: int = 0

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        Slow.alive += 1
        Slow.most = max(Slow.most, Slow.alive)

    def poll(self) -> int | None:  # type: ignore[override]
        self.asked += 1
        if self.asked == 3:
            Slow.alive -= 1
        return 0 if self.asked >= 3 else None


@pytest.mark.parametrize("jobs", [1, 3])
def test_as_many_at_a_time_as_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.0)
    Slow.alive = Slow.most = 0
    plan, ended = planned(tmp_path, "uda", seeds=tuple(range(7))), list[str]()
    run_all(plan, lambda _: Slow(), jobs, lambda: 0, lambda run, *_: not ended.append(run.name))
    assert Slow.most == jobs and sorted(ended) == sorted(run.name for run in plan)


def test_a_fault_of_ours_leaves_no_process_behind(tmp_path: Path) -> None:
    begun: list[Slow] = []

    def start(run: Planned) -> Slow:
        if begun:
            raise OSError("no space left")
        begun.append(Slow())
        return begun[0]

    with pytest.raises(OSError, match="no space left"):
        run_all(planned(tmp_path, "uda"), start, 2, lambda: 0, lambda *_: True)
    assert begun[0].signals == [signal.SIGKILL]


def test_the_person_is_told_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    plan = planned(tmp_path, "uda", seeds=(0, 1, 2), num_threads=None, clip=1)
    teller = Teller(total=6, done=3, todo=3, jobs=2, say=said.append)
    teller.warn(plan)
    assert said[0] == "runs: 6, finished before: 3, to do: 3, at a time: 2\n"
    assert (
        sum("clip" in line for line in said) == 1 and sum("--num_threads" in s for s in said) == 1
    )
    ends = Ends(Failures(tmp_path / "failed.json"), teller)
    ends.begun(plan[0], Ended())
    monkeypatch.setattr("time.monotonic", lambda: ends._since[plan[0].name] + 300)
    assert ends.ended(plan[0], -9, "Killed")
    assert (
        said[-1] == f"4/6 {plan[0].name}: killed by signal 9: Killed in 5 min; about 5 min left\n"
    )
    assert [duration(s) for s in (9.4, 99, 150, 7200)] == ["9 s", "99 s", "2 min", "2.0 h"]
