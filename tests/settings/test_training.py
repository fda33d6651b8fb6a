"""Schedule and network: values of USB's files, ranges and their ends."""

import pytest
from pydantic import ValidationError

from usb_ext.settings.training import NetworkSettings, ScheduleSettings, precision_of


@pytest.mark.parametrize(
    ("written", "meant"),
    [(False, "off"), (True, "fp16"), ("off", "off"), ("bf16", "bf16"), ("fp16", "fp16")],
)
def test_precision_reads_usb_booleans(written: object, meant: str) -> None:
    assert precision_of(written) == meant
    assert ScheduleSettings.model_validate({"amp": written}).amp == meant


@pytest.mark.parametrize("written", ["fp32", "True", 1, None])
def test_other_precisions_are_rejected(written: object) -> None:
    with pytest.raises(ValidationError):
        ScheduleSettings.model_validate({"amp": written})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch", 0),
        ("num_train_iter", 0),
        ("num_warmup_iter", -1),
        ("batch_size", 0),
        ("uratio", 0),
        ("eval_batch_size", 0),
        ("ulb_loss_ratio", -1.0),
        ("ema_m", 1.0),
        ("ema_m", -0.1),
        ("optim", "sgd"),
        ("lr", 0),
        ("momentum", 1),
        ("weight_decay", -1e-4),
        ("layer_decay", 0.0),
        ("layer_decay", 1.01),
        ("clip_grad", -1),
        ("use_cat", "True"),
    ],
)
def test_schedule_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ScheduleSettings.model_validate({name: value})


def test_the_ends_of_the_schedule_ranges_are_inside() -> None:
    given = {"ema_m": 0.0, "layer_decay": 1, "clip_grad": 0, "weight_decay": 0, "momentum": 0}
    schedule = ScheduleSettings.model_validate(given)
    assert schedule.model_dump(include=set(given)) == given


def test_networks_are_names() -> None:
    assert NetworkSettings(net="my_nets.small:build").net == "my_nets.small:build"
    with pytest.raises(ValidationError):
        NetworkSettings(net="")


def test_no_path_is_none_as_usb_writes_it() -> None:
    assert NetworkSettings.model_validate({"pretrain_path": ""}).pretrain_path is None
