"""The server of forks, really started: runs as its forks are the same as processes of their own."""

import signal
import time
from pathlib import Path

import torch
from support.compare import SECONDS, ended, planned
from support.run import TINY, assert_same_state, undrawn

from usb_ext.comparison.forks import Forks
from usb_ext.core.lock import locked
from usb_ext.settings import load_settings
from usb_ext.training.train import train


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
        with undrawn():
            train(load_settings(run.settings.model_dump(), here))
        files = [
            place / run.name / "latest_model.pth"
            for place in (tmp_path / "runs", tmp_path / "here")
        ]
        states = [torch.load(file, weights_only=True) for file in files]
        for part in ("model", "ema_model", "optimizer"):
            assert_same_state(*(state[part] for state in states))
