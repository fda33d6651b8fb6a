"""How many processes are started, where they meet, and what a command gives when they end."""

import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.images import folder_of_images
from support.run import TINY, python
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from usb_ext.cli.processes import in_processes
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.settings import Settings
from usb_ext.settings.processes import refuse_several, refuse_several_pretraining
from usb_ext.training import launch as module
from usb_ext.training.launch import Wanted, launch, wanted

MACHINES = {"world_size": 2, "rank": 1, "dist_url": "tcp://head:2345"}


def given(**changed: Any) -> Settings:
    values = {k: v for k, v in TINY.items() if k in Settings.model_fields}
    return Settings.model_validate({**values, "algorithm": "fixmatch", **changed})


@pytest.mark.parametrize(
    ("changed", "devices", "gpus", "expected"),
    [
        ({}, None, 4, Wanted(1)),
        ({}, 3, 0, Wanted(3)),
        ({"device": "auto", "multiprocessing_distributed": True}, None, 4, Wanted(4)),
        ({"device": "auto", "multiprocessing_distributed": True, "gpu": 2}, None, 4, Wanted(1)),
        (
            {"device": "auto", "multiprocessing_distributed": True, **MACHINES},
            None,
            4,
            Wanted(4, 2),
        ),
        (MACHINES, None, 4, Wanted(1, 2)),
    ],
    ids=str,
)
def test_how_many_processes(
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    devices: int | None,
    gpus: int,
    expected: Wanted,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    found = wanted(given(**changed), devices)
    assert (found.here, found.machines) == (expected.here, expected.machines)
    assert found.several == (expected.here * expected.machines > 1)


def test_without_a_gpu_usbs_switch_is_one_process_and_says_so() -> None:
    found = wanted(given(device="cpu", multiprocessing_distributed=True), None)
    assert not found.several and "so it is one process" in found.note


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A launcher that starts nothing and ends as a test wants it to."""
    seen: dict[str, Any] = {}

    def elastic(config: Any, entry: str) -> Any:
        def start(*words: str) -> None:
            seen.update(config=config, words=[entry, *words])
            if "raises" in seen:
                raise seen["raises"]

        return start

    monkeypatch.setattr(module, "elastic_launch", elastic)
    return seen


def test_the_same_command_is_started_with_what_torchrun_sets(launched: Any) -> None:
    assert launch(given(), ["train", "--c", "a.yaml"], Wanted(2)) == 0
    config = launched["config"]
    assert launched["words"][0] == sys.executable and launched["words"][-3:] == [
        "train",
        "--c",
        "a.yaml",
    ]
    assert (config.nproc_per_node, config.min_nodes, config.max_nodes) == (2, 1, 1)
    assert config.max_restarts == 0 and config.rdzv_endpoint == "localhost:0"  # a free port


def test_machines_meet_where_dist_url_says(launched: Any) -> None:
    launch(given(**MACHINES), [], Wanted(2, 2))
    config = launched["config"]
    assert (config.rdzv_backend, config.rdzv_endpoint) == ("static", "head:2345")
    assert config.rdzv_configs == {"rank": 1, "timeout": 300}
    with pytest.raises(SettingsError, match="dist_url is 'env://'"):
        launch(given(**{**MACHINES, "dist_url": "env://"}), [], Wanted(1, 2))


def failed(code: int) -> ChildFailedError:
    failure = ProcessFailure(local_rank=1, pid=7, exitcode=code, error_file="none")
    return ChildFailedError("train", {1: failure})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (failed(143), 143),
        (failed(3), 3),
        (failed(-9), 1),
        (SignalException("stopped", signal.SIGINT), 130),
    ],
    ids=["asked to stop", "data", "killed", "launcher asked"],
)
def test_the_exit_code_is_that_of_one_process(launched: Any, error: Exception, code: int) -> None:
    launched["raises"] = error
    assert launch(given(), [], Wanted(2)) == code


def test_machines_that_do_not_meet_are_told_of(launched: Any) -> None:
    launched["raises"] = TimeoutError("no others")
    with pytest.raises(RunFailed, match="did not meet within 300 s .no others."):
        launch(given(), [], Wanted(2))


def test_more_processes_than_there_can_be_are_refused(
    launched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for refuse, words in (
        (refuse_several, "batch_size is 4"),
        (refuse_several_pretraining, "ssl_"),
    ):
        given_to = given(ssl_batch_size=4)
        with pytest.raises(SettingsError, match=words):
            in_processes(["train"], given_to, 5, lambda _: 0, refuse)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(SettingsError, match="3 processes .* 2 CUDA device"):
        launch(given(device="cuda"), [], Wanted(3))
    assert not launched


def test_machines_whose_port_is_in_use_are_told_of() -> None:
    """By the launcher itself: nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        machines = {"world_size": 2, "dist_url": f"tcp://127.0.0.1:{port}", "meet_seconds": 2}
        with pytest.raises(RunFailed, match="a dist_url whose port is free") as caught:
            launch(given(**machines), [], Wanted(1, 2))
    assert "\n" not in str(caught.value)


IMAGENET = "layermatch_scratch_imagenet100_10000"


@pytest.mark.slow
def test_the_file_of_imagenet_100_trains_on_four(tmp_path: Path) -> None:
    """On a stand-in: a hundred classes of twenty small pictures, two steps of a few of them; minutes."""
    names = [f"n{number:08d}" for number in range(100)]
    folder_of_images(tmp_path / "images", classes=names, train=20, test=1)
    (tmp_path / "classes.txt").write_text("\n".join(names))
    words = {
        "data_dir": tmp_path / "images", "class_list": tmp_path / "classes.txt", "save_dir": tmp_path,
        "save_name": "run", "num_labels": 1000, "num_train_iter": 2, "epoch": 1, "num_eval_iter": 2,
        "batch_size": 4, "uratio": 1, "img_size": 32, "num_workers": 0, "device": "cpu", "devices": 4,
    }  # fmt: skip
    flags = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    done = python("-P", "-m", "usb_ext", "train", "--c", IMAGENET, *flags)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (record["status"], record["iterations"], record["num_labels"]) == ("completed", 2, 1000)
    assert record["labelled"]["counts"] == [10] * 100


@pytest.mark.slow
def test_a_run_is_started_on_two(tmp_path: Path) -> None:
    """The launcher itself, in processes that import everything: some 20 s."""
    file = tmp_path / "c.yaml"
    file.write_text("\n".join(f"{k}: {v}" for k, v in TINY.items()) + f"\nsave_dir: {tmp_path}\n")
    script = Path(module.__file__).parents[1] / "train.py"
    done = python(str(script), "--c", str(file), "--devices", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("top1_last") == 1
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert [row["it"] for row in rows] == list(range(1, 9))
