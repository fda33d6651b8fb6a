"""Run settings, and USB's keys for several processes: values, defaults, ranges."""

import pytest
from pydantic import ValidationError

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings
from usb_ext.settings.run import DistributedSettings, RunSettings


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:11"])
def test_devices(device: str) -> None:
    assert RunSettings(device=device).device == device


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CPU", "", "0"])
def test_other_devices_are_rejected(device: str) -> None:
    with pytest.raises(ValidationError):
        RunSettings(device=device)


@pytest.mark.parametrize("progress", ["auto", "bar", "lines", "off"])
def test_progress(progress: str) -> None:
    assert RunSettings.model_validate({"progress": progress}).progress == progress


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", 2**32),
        ("label_seed", -1),
        ("num_threads", 0),
        ("num_log_iter", 0),
        ("num_eval_iter", 0),
        ("num_save_iter", 0),
        ("progress", "dots"),
        ("algorithm", ""),
        ("save_dir", ""),
    ],
)
def test_run_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        RunSettings.model_validate({name: value})


def test_a_run_deletes_and_resumes_nothing_by_itself() -> None:
    run = RunSettings()
    assert not run.resume
    assert not run.overwrite


def test_the_keys_of_usb_files_are_accepted() -> None:
    given = {
        "world_size": 1,
        "rank": 0,
        "multiprocessing_distributed": True,
        "dist_url": "tcp://127.0.0.1:10068",
        "dist_backend": "nccl",
        "gpu": 0,
    }
    ours = {"sync_bn": True, "meet_seconds": 300}
    assert DistributedSettings.model_validate(given).model_dump() == {**given, **ours}


@pytest.mark.parametrize(("name", "value"), [("world_size", 0), ("rank", -1), ("gpu", -1)])
def test_process_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        DistributedSettings.model_validate({name: value})


@pytest.mark.parametrize("given", [{"world_size": 2, "rank": 2}, {"rank": 1}], ids=str)
def test_the_number_of_a_machine_is_below_theirs(given: dict[str, object]) -> None:
    Settings.model_validate({"world_size": 2, "rank": 1})
    with pytest.raises(
        SettingsError, match=f"rank is {given['rank']}, but the machines of world_size"
    ):
        Settings.model_validate(given)
