"""USB's CUDA calls mean the run's device inside, and nothing is changed outside or on CUDA."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from usb_ext.upstream import device as redirect
from usb_ext.upstream.device import HostEvent, cuda_means

META = torch.device("meta")
REPLACED = [
    (torch.Tensor, "cuda"),
    (nn.Module, "cuda"),
    (torch.cuda, "synchronize"),
    (torch.cuda, "set_device"),
    (torch.cuda, "Event"),
]


def present() -> list[Any]:
    return [getattr(owner, name) for owner, name in REPLACED]


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    before = present()
    yield
    assert present() == before


@pytest.mark.parametrize("arguments", [(), (0,), (None,), ("cuda:1",)])
def test_tensors_and_networks_move_to_the_device(arguments: tuple[Any, ...]) -> None:
    with cuda_means(META):
        assert torch.ones(2).cuda(*arguments).device == META
        assert nn.Linear(2, 2).cuda(*arguments).weight.device == META
        assert nn.Parameter(torch.ones(2)).cuda(*arguments).device == META
        assert torch.ones(2).cuda(non_blocking=True).device == META


def test_calls_that_only_cuda_has_do_nothing() -> None:
    with cuda_means(torch.device("cpu")):
        torch.cuda.synchronize()
        torch.cuda.set_device(3)
        value = torch.ones(2)
        assert value.cuda() is value


def test_events_measure_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.25])
    monkeypatch.setattr(redirect.time, "perf_counter", lambda: next(clock))
    with cuda_means(torch.device("cpu")):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    assert isinstance(start, HostEvent)
    start.record()
    end.record()
    assert start.elapsed_time(end) == 250.0


def test_everything_is_put_back_after_an_error_and_after_nesting() -> None:
    before = present()
    with pytest.raises(ZeroDivisionError), cuda_means(META):
        assert all(new is not old for new, old in zip(present(), before, strict=True))
        raise ZeroDivisionError
    assert present() == before
    with cuda_means(torch.device("cpu")):
        with cuda_means(META):
            assert torch.ones(1).cuda().device == META
        assert torch.ones(1).cuda().device.type == "cpu"


def test_on_cuda_nothing_is_replaced() -> None:
    before = present()
    with cuda_means(torch.device("cuda", 0)):
        assert present() == before
