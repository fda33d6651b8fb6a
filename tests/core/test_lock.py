"""One process at a time in a folder; a dead one is in nobody's way, whatever it left."""

import errno
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.files import is_done, making
from usb_ext.core.lock import LOCK, forget_dead, locked

HOLDS = """
import sys, time
from pathlib import Path
from usb_ext.core.lock import locked
with locked(Path(sys.argv[1]), "a run"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    return process


def test_the_holder_is_named_and_a_killed_one_is_stale(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "lock"
    process = holder(path)
    said = json.loads(path.read_text())
    assert said["pid"] == process.pid and {"host", "started"} <= set(said)
    with pytest.raises(RunFailed) as caught, locked(path, "a stage"):
        pass
    for word in (str(tmp_path), f"a run (process {process.pid} on {said['host']}", said["started"]):
        assert word in str(caught.value)
    process.kill()
    process.wait()
    assert path.exists()
    with caplog.at_level(logging.INFO, "usb_ext"), locked(path, "a stage"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert f"process {process.pid}" in caplog.text and "killed" in caplog.text
    assert not path.exists()


def test_a_worker_of_a_killed_process_does_not_hold_it(tmp_path: Path) -> None:
    """Processes that load images are forks and outlive a killed run for seconds."""
    path = tmp_path / "lock"
    ours, theirs = os.pipe()
    with locked(path, "a run"):
        if (child := os.fork()) == 0:
            os.write(theirs, b"x")
            signal.pause()
        try:
            assert os.read(ours, 1) == b"x"
            held = os.listdir(f"/proc/{child}/fd")
            assert str(path) not in [os.readlink(f"/proc/{child}/fd/{n}") for n in held]
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_a_lock_that_is_removed_while_one_waits_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flock, taken = tmp_path / "lock", fcntl.flock, []

    def removed_first(descriptor: int, how: int) -> None:
        if not taken:
            path.unlink()
        taken.append(descriptor)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    with locked(path, "a run"):
        assert len(taken) == 2 and path.exists()


@pytest.mark.parametrize("words", ["", "garbage", '{"what": "a run"}'])
def test_whatever_the_file_says_it_can_be_taken(tmp_path: Path, words: str) -> None:
    path = tmp_path / "lock"
    path.write_text(words)
    with locked(path, "a run"):
        assert json.loads(path.read_text())["what"] == "a run"


def test_a_file_system_without_locks_goes_by_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    path = tmp_path / "lock"
    with (
        locked(path, "a run"),
        pytest.raises(RunFailed, match="if nothing works there, delete"),
        locked(path, "a run"),
    ):
        pass
    with locked(path, "a run"):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match="cannot be written into"),
        locked(tmp_path / "none" / "lock", "a run"),
    ):
        pass


def test_the_lock_of_a_killed_process_goes_and_a_held_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holder(path)
    forget_dead(path)
    assert path.is_file()
    process.kill()
    process.wait()
    assert path.is_file()
    forget_dead(path)
    forget_dead(path)
    assert not path.exists()
    (tmp_path / "file").write_text("mine")
    path.symlink_to(tmp_path / "file")
    forget_dead(path)
    assert path.is_symlink() and (tmp_path / "file").read_text() == "mine"


def test_a_stage_that_is_done_leaves_no_lock_of_a_killed_one(tmp_path: Path) -> None:
    made = tmp_path / "prior.npz"
    with making(made, {"seed": 1}):
        made.write_bytes(b"whole")
    process = holder(tmp_path / LOCK)
    process.kill()
    process.wait()
    assert is_done(made, {"seed": 1})
    assert not (tmp_path / LOCK).exists()


def test_one_that_waits_goes_on_when_the_holder_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "lock"
    process = holder(path)
    seen: list[int | None] = []
    Timer(0.3, process.kill).start()
    with caplog.at_level(logging.INFO, "usb_ext"), locked(path, "a cache", wait=True):
        seen.append(process.wait(10))
        with pytest.raises(RunFailed, match="a cache"), locked(path, "a stage"):
            pass
    assert seen == [-signal.SIGKILL]
    assert f"in use by a run (process {process.pid}" in caplog.text and "waiting" in caplog.text
    assert not path.exists()
