"""What a job does when its time is up, when it is cancelled, and when its run ends."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from submitit.core.utils import UncompletedJobError

from usb_ext.comparison import task as module
from usb_ext.comparison.task import Task, warning_signal

WAITS = """
import os, pathlib, signal, sys, time
def stop(number, frame):
    print("stopped", flush=True); sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
print("begun", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
os.kill(os.getpid(), signal.SIGUSR2)
pathlib.Path(sys.argv[1]).touch()
time.sleep(30)
"""


@pytest.fixture(autouse=True)
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The surroundings of a job of submitit's local executor; signals are as before afterwards."""
    for name, value in {"EXECUTOR": "local", "LOCAL_JOB_ID": "77"}.items():
        monkeypatch.setenv(f"SUBMITIT_{name}", value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(module, "HEARD_SECONDS", 0.1)
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, warning_signal())}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def task_of(place: Path, code: str) -> Task:
    command = (sys.executable, "-c", code, str(place / "ready"))
    return Task(
        command,
        str(place / "log.txt"),
        str(place / "ended.json"),
        str(place / "result.json"),
        gpus="3",
    )


def once_ready(place: Path, act: Callable[[], object]) -> threading.Thread:
    def wait() -> None:
        until = time.monotonic() + 20
        while not (place / "ready").exists() and time.monotonic() < until:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_the_exit_code_of_a_run_is_kept_with_the_jobs_number(tmp_path: Path) -> None:
    task = task_of(tmp_path, "import sys; print('no'); sys.exit(3)")
    (tmp_path / "log.txt").write_text("before\n")
    assert task() == 3
    assert json.loads((tmp_path / "ended.json").read_text()) == {"job": "77", "code": 3}
    assert (tmp_path / "log.txt").read_text() == "before\nno\n"


def test_when_its_time_is_up_the_run_is_stopped_and_the_task_given_back(tmp_path: Path) -> None:
    """The run itself never gets the warning: it sends it to itself, and goes on."""
    task, given = task_of(tmp_path, WAITS), list[Task]()

    def warned(*_: object) -> None:
        again = task.checkpoint()
        assert again is not None
        given.append(again.function)
        raise SystemExit(-1)  # as submitit does once the job is queued again

    signal.signal(warning_signal(), warned)
    thread = once_ready(tmp_path, lambda: os.kill(os.getpid(), warning_signal()))
    with pytest.raises(SystemExit):
        task()
    thread.join()
    assert (tmp_path / "log.txt").read_text() == "begun 3\nstopped\n"
    assert not (tmp_path / "ended.json").exists()
    assert (given[0].command, given[0].log, given[0].gpus) == (task.command, task.log, "3")


def warned_without_another_sitting(place: Path, task: Task) -> None:
    """The warning comes, the task asks for nothing more, and the job ends as done."""

    def warned(*_: object) -> None:
        assert task.checkpoint() is None
        raise UncompletedJobError("not requeued")  # as submitit does then

    signal.signal(warning_signal(), warned)
    thread = once_ready(place, lambda: os.kill(os.getpid(), warning_signal()))
    assert task() == 0
    thread.join()
    assert json.loads((place / "ended.json").read_text())["code"] == 0


def test_a_run_that_ends_while_its_time_is_up_is_not_begun_again(tmp_path: Path) -> None:
    ends = WAITS.replace("sys.exit(128 + number)", "sys.exit(0)")
    task = task_of(tmp_path, ends)
    warned_without_another_sitting(tmp_path, task)


def test_a_run_that_was_done_before_it_was_stopped_is_not_begun_again(tmp_path: Path) -> None:
    """Its process is killed by the warning while it ends, but its record says that it is complete."""
    task = task_of(tmp_path, WAITS)
    (tmp_path / "result.json").write_text('{"status": "completed"}')
    warned_without_another_sitting(tmp_path, task)


def test_a_job_that_is_cancelled_stops_its_run_once(tmp_path: Path) -> None:
    task = task_of(tmp_path, WAITS)
    thread = once_ready(tmp_path, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert task() == 128 + signal.SIGTERM
    thread.join()
    assert (tmp_path / "log.txt").read_text() == "begun 3\nstopped\n"
    assert task.checkpoint() is None, "what is cancelled is not queued again"


def test_a_job_whose_run_has_not_begun_is_given_back(tmp_path: Path) -> None:
    assert task_of(tmp_path, WAITS).checkpoint() is not None
