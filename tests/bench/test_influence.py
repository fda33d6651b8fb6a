"""The timing of an update of influence weights: what is timed, and how its share is formed."""

import json
from pathlib import Path

import pytest
import torch

from usb_ext.bench import influence as module
from usb_ext.bench.cases import workload
from usb_ext.cli.main import main


def test_command_times_every_inverse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    words = "bench --influence --repeats 2 --steps 2 --warm-up 1 --batch-size 2 --num-images 30"
    assert main([*words.split(), "--val-batch", "8", "--device", "cpu", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    names = {*module.CASES, module.TABLE}
    assert set(report["update_s"]) == set(report["extra_percent_at_100"]) == names
    assert all(row["min"] > 0 for part in ("update_s", "step_s") for row in report[part].values())
    page = capsys.readouterr().out
    assert "batch 2 + 14, validation 8" in page and all(name in page for name in names)


def test_share_is_of_a_hundred_steps_of_the_same_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.5 s in 100 steps of 0.1 s are 5 %, 0.5 s in 100 steps of 0.05 s 10 %."""

    class Fixed:
        made = None

        def __init__(self, *_: object) -> None:
            self.steps = iter([0.1, 0.05])

        def __call__(self) -> tuple[float, float]:
            return 0.5, next(self.steps)

    monkeypatch.setattr(module, "_Case", Fixed)
    monkeypatch.setattr(module, "_table_seconds", lambda *_: [3.0, 1.0, 2.0])
    load = workload("digits", {"repeats": 2})
    report = module.influence_times(load, torch.device("cpu"), 8, lambda line: None)
    assert report["extra_percent_at_100"][module.FIRST] == {"median": 7.5, "min": 5.0, "max": 10.0}
    assert report["update_s"][module.TABLE]["median"] == 2.0
