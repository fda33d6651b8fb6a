"""Places that nothing can be written to: a file where a folder is needed, a disk that takes no more."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.features import blobs, write_npz
from support.run import TINY

from usb_ext.cli.main import main

FAST = ("--runs", "1", "--tune_epochs", "1", "--threads", "1")
assert next(iter(TINY)) == "algorithm"  # which compare takes from its methods
RUN = [w for name, value in TINY.items() if name != "save_name" for w in (f"--{name}", str(value))]


@pytest.fixture
def features(tmp_path: Path) -> Path:
    values, targets = blobs(3, 10)
    return write_npz(tmp_path / "f.npz", features=values, targets=np.asarray(targets))


def commands(features: Path, place: Path) -> dict[str, list[Any]]:
    """Each command that writes, told to write to a place."""
    return {
        "train": [*RUN, "--save_dir", place],
        "pretrain": [*RUN, "--save_dir", place, "--ssl_epochs", "1", "--ssl_batch_size", "16"],
        "select": ["--features", features, "--budget", "3", "--out", place, *FAST],
        "tsne": ["--features", features, "--perplexity", "5", "--out", place / "a.png"],
        "compare": [*RUN[2:], "--methods", "fixmatch", "--seeds", "0", "--out", place],
    }


@pytest.mark.parametrize("command", ["train", "pretrain", "select", "tsne", "compare"])
def test_a_file_where_a_folder_is_needed(
    tmp_path: Path, features: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    if command == "pretrain":
        pytest.importorskip("lightly")
    place = tmp_path / "file"
    place.write_text("somebody's")
    code = main([command, *map(str, commands(features, place / "below")[command])])
    lines = capsys.readouterr().err.splitlines()
    assert code in (1, 2) and str(place) in lines[-1]
    assert not [line for line in lines if "Traceback" in line]
    assert place.read_text() == "somebody's"


@pytest.mark.parametrize("device", ["abc", "cuda:x", "cpu:1"])
def test_a_stages_device_that_is_none(
    features: Path, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    words = ["select", "--features", str(features), "--budget", "3", "--device", device]
    assert main(words) == 2
    assert f"device: got {device!r}" in capsys.readouterr().err


def test_a_disk_that_takes_no_more_ends_a_run_in_one_line(tmp_path: Path) -> None:
    """A limit of 64 KiB a file stands for it: the first checkpoint is larger."""
    command = [sys.executable, "-P", "-m", "usb_ext", "train", *RUN, "--save_dir", str(tmp_path)]
    limited = ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash", *command, "--save_name", "run"]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "could not be written" in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "run").glob("*.pth"))
