"""Pre-training by several processes beside that of one: the same steps, one folder, one voice."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.processes import in_processes, results, started
from support.ssl import compared, dies, ended, epochs_of, pretrained

from usb_ext.data.features import read_features

SEVEN: dict[str, Any] = {"ssl_batch_size": 7, "ssl_output_dim": 8}
"""Rows of a batch: two processes have 4 and 3, and four 2, 2, 2 and 1."""

CASES: list[dict[str, Any]] = [
    {**SEVEN, "ssl_method": "simsiam"},
    {**SEVEN, "ssl_method": "simclr", "bn_statistics": "fresh", "bn_images": 300},
    {**SEVEN, "ssl_method": "byol", "ssl_target_momentum": 0.5},
]


@pytest.mark.parametrize("size", [2, 4])
def test_steps_are_those_of_one_process(tmp_path: Path, size: int) -> None:
    """Losses, gradients (as momenta), weights, statistics and features, in double precision."""
    for found in in_processes(size, compared, str(tmp_path), CASES):
        assert all(
            off < 1e-6 if name in ("features", "spread") else off < 1e-10 for off, name in found
        )


WEIGHTS = ("backbone.pth", "features.npz", "pretrain.json", "metrics.jsonl", "latest_model.pth")


def test_one_stopped_on_two_goes_on_on_two_bit_for_bit_and_on_one_to_rounding(
    tmp_path: Path,
) -> None:
    whole, again, alone = (tmp_path / name for name in ("whole", "again", "alone"))
    assert [code for code, _, _ in in_processes(2, ended, str(whole), None, {}, join=False)] == [
        0,
        0,
    ]
    for folder in (again, alone):
        found = in_processes(2, ended, str(folder), 4, {}, join=False)
        assert [code for code, _, _ in found] == [143, 143]
        assert not (folder / "ssl" / "backbone.pth").exists()
    in_processes(2, ended, str(again), None, {"resume": True}, join=False)
    pretrained(alone, resume=True)
    assert epochs_of(whole) == epochs_of(again)
    assert set(WEIGHTS) <= set(os.listdir(whole / "ssl"))
    kept, bits, near = (
        torch.load(f / "ssl" / "backbone.pth", weights_only=True)["model"]
        for f in (whole, again, alone)
    )
    for name, value in kept.items():
        assert torch.equal(value, bits[name]), name
        torch.testing.assert_close(value, near[name], rtol=1e-3, atol=1e-4)
    made = [read_features(f / "ssl" / "features.npz").values for f in (whole, again, alone)]
    assert np.array_equal(made[0], made[1])
    assert np.allclose(made[0], made[2], atol=1e-3)
    again_told = in_processes(2, ended, str(whole), None, {}, join=False)
    assert all("made before" in told for _, _, told in again_told)


def test_a_process_that_is_killed_ends_it_and_leaves_the_checkpoint(tmp_path: Path) -> None:
    processes = started(2, dies, str(tmp_path), join=False)
    [(code, says, told)] = results(processes[:1])
    assert code == 1 and says and "another process of the run has ended" in told
    processes[1][0].join(10)
    assert processes[1][0].exitcode == -signal.SIGKILL
    kept = torch.load(tmp_path / "ssl" / "latest_model.pth", weights_only=True)
    assert kept["step"] == 3
    assert not (tmp_path / "ssl" / "backbone.pth").exists()
    assert pretrained(tmp_path, resume=True) is not None


@pytest.mark.parametrize(
    ("size", "changed", "words", "code"),
    [
        (3, {"ssl_batch_size": 2}, "ssl_batch_size is 2, the batch of all processes", 2),
        (2, {"device": "cuda:0"}, "one device for 2 processes", 2),
        (2, {"ssl_lr": 1e30}, "lower ssl_lr", 1),
    ],
    ids=["batch", "device", "loss"],
)
def test_an_error_is_told_by_one_process(
    tmp_path: Path, size: int, changed: dict[str, Any], words: str, code: int
) -> None:
    found = in_processes(size, ended, str(tmp_path), None, changed, join=False)
    assert [each[0] for each in found] == [code] * size
    assert sum(says for _, says, _ in found) == 1
    assert all(words in text for _, _, text in found)
    assert not (tmp_path / "ssl" / "backbone.pth").exists()
