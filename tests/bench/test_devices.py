"""One run on several processes, measured: which cases, what of them, and what is refused."""

from typing import Any

import pytest
import torch
from support.processes import in_processes

from usb_ext.bench import devices as module
from usb_ext.bench.cases import workload
from usb_ext.bench.devices import bench_devices, measure
from usb_ext.core.errors import SettingsError

TINY = workload(
    "digits",
    {"batch_size": 2, "uratio": 1, "num_images": 20, "steps": 2, "warm_up": 1, "repeats": 2},
)


def test_cases_are_turned_through_and_told_in_images_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def measured(load: Any, kind: str, processes: int, threads: int) -> tuple[float, float]:
        asked.append((kind, processes, threads))
        return 10.0 * processes, 0.25 * (processes - 1)

    monkeypatch.setattr(module, "_measured", measured)
    report = bench_devices(TINY, "cpu", 2, lambda _: None)
    assert asked == [("cpu", 1, 1), ("cpu", 2, 1), ("cpu", 1, 2)] * 2
    found = {case: values["median"] for case, values in report["images_per_s"].items()}
    assert found == {
        "1 process, 1 thread": 60.0, "2 processes, 1 thread each": 120.0, "1 process, 2 threads": 60.0,
    }  # fmt: skip
    assert "25.0% in exchanges" in report["table"]


def test_processes_measure_together() -> None:
    found = in_processes(2, measure, TINY, "cpu", 1, join=False)
    assert all(rate > 0 for rate, _ in found)
    assert found[0][1] == found[1][1] and 0 < found[0][1] < 1


def test_too_many_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="--devices is 3 for a batch of 2"):
        bench_devices(TINY, "cpu", 3, lambda _: None)
    monkeypatch.setattr(module, "resolve_device", lambda _: torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SettingsError, match="--devices is 2, and torch sees 1 CUDA"):
        bench_devices(TINY, "cuda", 2, lambda _: None)
