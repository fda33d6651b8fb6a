"""The engine under an algorithm: entries of a batch, precision, hooks and networks."""

from pathlib import Path

import pytest
import torch
from support.built import built

from usb_ext.engine.hooks.average import ModelEMAHook
from usb_ext.engine.hooks.record import RecordHook
from usb_ext.engine.hooks.score import ScoreHook
from usb_ext.engine.hooks.update import FiniteLossHook, ParameterUpdateHook


def test_a_step_gets_the_entries_that_it_asks_for(tmp_path: Path) -> None:
    algorithm = built(tmp_path, algorithm="fixmatch")
    one = torch.ones(1)
    batch = {"x_lb": one, "y_lb": one, "x_ulb_w": {"ids": one}, "x_ulb_s": None, "path": "a.png"}
    assert algorithm.process_batch(**batch) == {"x_lb": one, "y_lb": one, "x_ulb_w": {"ids": one}}
    assert list(algorithm.process_batch(["y_lb"], **batch)) == ["y_lb"]


@pytest.mark.parametrize(("amp", "dtype"), [("off", torch.float32), ("bf16", torch.bfloat16)])
def test_the_precision_of_a_step(tmp_path: Path, amp: str, dtype: torch.dtype) -> None:
    algorithm = built(tmp_path, algorithm="fixmatch", amp=amp)
    with algorithm.amp_cm():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert not algorithm.loss_scaler.is_enabled()  # bf16 has float32's range


def test_its_hooks_stand_under_the_names_that_usb_calls(tmp_path: Path) -> None:
    """The update comes before the averages, which come before scores, and those before the log."""
    hooks = built(tmp_path, algorithm="fixmatch").hooks_dict
    wanted = {
        "ParamUpdateHook": ParameterUpdateHook, "EMAHook": ModelEMAHook,
        "FiniteLossHook": FiniteLossHook, "EvaluationHook": ScoreHook, "LoggingHook": RecordHook,
    }  # fmt: skip
    assert {name: type(hooks[name]) for name in wanted} == wanted
    assert [name for name in hooks if name in wanted] == list(wanted)
    assert {"CheckpointHook", "TimerHook", "DistSamplerSeedHook"}.isdisjoint(hooks)


@pytest.mark.parametrize(
    ("changed", "layout"),
    [({}, True), ({"channels_last": False}, False), ({"step": "usb"}, False)],
    ids=str,
)
def test_only_our_step_takes_another_memory_layout(
    tmp_path: Path, changed: dict[str, object], layout: bool
) -> None:
    """USB's steps may `view` their feature maps."""
    algorithm = built(tmp_path, algorithm="fixmatch", **changed)
    for network in (algorithm.model, algorithm.ema_model):
        kernel = network.get_parameter("block1.layer.0.conv1.weight")
        assert kernel.is_contiguous(memory_format=torch.channels_last) is layout
        assert network.module is network and "module" not in dict(network.named_modules())
