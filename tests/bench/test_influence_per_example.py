"""The timing of per-example gradients: what is timed and how the ratios are formed."""

import json
from pathlib import Path

import pytest
import torch

from usb_ext.bench import influence as module
from usb_ext.bench.cases import workload
from usb_ext.cli.main import main


def test_command_times_every_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    words = "bench --per-example --repeats 2 --batch-size 3 --device cpu --json".split()
    assert main([*words, str(file)]) == 0
    report = json.loads(file.read_text())
    names = {"serial loop", "torch.func", "by layers", "batch gradient"}
    assert set(report["seconds"]) == set(report["times_faster"]) == names
    assert report["times_faster"]["serial loop"] == {"median": 1, "min": 1, "max": 1}
    assert all(value["min"] > 0 for value in report["seconds"].values())
    assert "wrn_10_1, 3 examples" in capsys.readouterr().out


def test_ratios_are_taken_within_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([8.0, 2.0, 1.0, 1.0, 30.0, 10.0, 2.0, 3.0])
    names = (*module.NAMES.values(), module.PASS)
    monkeypatch.setattr(module, "timed", lambda step, steps, device: next(clock))
    monkeypatch.setattr(module, "_cases", lambda *_: dict.fromkeys(names, int))
    load = workload("digits", {"repeats": 2})
    report = module.per_example(load, torch.device("cpu"), lambda line: None)
    assert report["times_faster"]["by layers"] == {"median": 11.5, "min": 8.0, "max": 15.0}
    assert report["seconds"]["torch.func"] == {"median": 6.0, "min": 2.0, "max": 10.0}
