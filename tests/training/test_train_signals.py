"""Real processes, really stopped: SIGTERM, Ctrl-C and `kill -9`, then --resume."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from support.run import TINY, assert_same_state, checkpoint_of, metrics_of, run

SCRIPT = Path(__file__).parents[2] / "usb_ext" / "train.py"
STEPS = {"num_train_iter": 40, "num_save_iter": 2, "num_eval_iter": 40, "epoch": 1}


def _start(folder: Path, *extra: str, ignored: bool = False) -> subprocess.Popen[str]:
    settings = {**TINY, **STEPS, "save_dir": str(folder)}
    given = dict(zip(extra[::2], extra[1::2], strict=True))
    settings = {k: v for k, v in settings.items() if f"--{k}" not in given}
    flags = [w for name, value in settings.items() for w in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *flags, *extra],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if ignored else partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
    )


def _wait_for_steps(process: subprocess.Popen[str], folder: Path, steps: int) -> None:
    metrics = folder / "run" / "metrics.jsonl"
    for _ in range(1200):
        if metrics.exists() and len(metrics.read_text().splitlines()) >= steps:
            return
        if process.poll() is not None:
            pytest.fail(f"the run ended early: {process.stderr and process.stderr.read()}")
        time.sleep(0.05)
    pytest.fail("the run made no steps")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, **STEPS)
    return folder


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        (signal.SIGINT, 130),
        (signal.SIGHUP, 129),
        (signal.SIGKILL, -9),
    ],
)
def test_stopped_process_resumes_bit_identically(
    tmp_path: Path, whole: Path, number: signal.Signals, code: int
) -> None:
    process = _start(tmp_path)
    _wait_for_steps(process, tmp_path, 5)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    if number != signal.SIGKILL:
        assert "--resume" in errors and "Traceback" not in errors
        said = [line for line in errors.strip().splitlines() if not line.startswith("batch norm")]
        assert len(said) <= 2
    assert 2 <= checkpoint_of(tmp_path)["it"] < 40
    run(tmp_path, resume=True, **STEPS)
    assert_same_state(checkpoint_of(whole), checkpoint_of(tmp_path))
    assert metrics_of(whole) == metrics_of(tmp_path)


@pytest.mark.parametrize("progress", ["lines", "bar"])
def test_a_reader_that_goes_away_stops_the_run_after_a_checkpoint(
    tmp_path: Path, progress: str
) -> None:
    """As `2>&1 | head -3` does."""
    process = _start(tmp_path, "--num_train_iter", "400", "--progress", progress)
    assert process.stderr is not None
    process.stderr.readline() if progress == "lines" else process.stderr.read(20)
    process.stderr.close()
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert 0 < checkpoint_of(tmp_path)["it"] < 400


def test_a_hangup_that_is_ignored_is_not_heard(tmp_path: Path) -> None:
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = _start(tmp_path, ignored=True)
        _wait_for_steps(process, tmp_path, 5)
        os.kill(process.pid, signal.SIGHUP)
        process.communicate(timeout=60)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.returncode == 0
