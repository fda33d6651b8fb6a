"""Device, precision, seeds, versions and commit of a run."""

import random
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import usb_ext
from usb_ext.core import runtime
from usb_ext.core.errors import SettingsError
from usb_ext.core.runtime import (
    check_precision,
    commit,
    device_name,
    resolve_device,
    seed_everything,
    versions,
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend to be a machine with so many CUDA devices, with or without MPS."""

    def pretend(cuda: int, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "best"),
    [(2, True, "cuda:0"), (1, False, "cuda:0"), (0, True, "mps"), (0, False, "cpu")],
)
def test_auto_prefers_cuda_then_mps(machine: Any, cuda: int, mps: bool, best: str) -> None:
    machine(cuda, mps)
    assert resolve_device("auto") == torch.device(best)


@pytest.mark.parametrize(
    ("name", "cuda"), [("cpu", 0), ("cuda", 1), ("cuda:0", 1), ("cuda:1", 2), ("mps", 0)]
)
def test_a_device_that_is_there_is_taken(machine: Any, name: str, cuda: int) -> None:
    machine(cuda, mps=True)
    assert resolve_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("name", "cuda", "reason"),
    [
        ("cuda", 0, "torch sees no CUDA device"),
        ("cuda:0", 0, "torch sees no CUDA device"),
        ("cuda:2", 2, r"torch sees 2 CUDA device\(s\)"),
        ("mps", 1, "torch sees no MPS device"),
    ],
)
def test_one_that_is_not_is_refused(machine: Any, name: str, cuda: int, reason: str) -> None:
    machine(cuda, mps=False)
    with pytest.raises(SettingsError, match=f"device is '{name}', but {reason}"):
        resolve_device(name)


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_fp16_needs_cuda(device: str) -> None:
    with pytest.raises(SettingsError, match=f"fp16.*on {device}; use --amp bf16"):
        check_precision("fp16", torch.device(device))


@pytest.mark.parametrize(
    ("amp", "device"), [("off", "cpu"), ("bf16", "cpu"), ("bf16", "mps"), ("fp16", "cuda:1")]
)
def test_other_precisions_pass(amp: str, device: str) -> None:
    check_precision(amp, torch.device(device))


def drawn(seed: int) -> tuple[float, float, float]:
    seed_everything(seed)
    return random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**40 + 3])
def test_a_seed_repeats_all_three_generators(seed: int) -> None:
    first = drawn(seed)
    assert drawn(seed) == first
    for mine, others in zip(first, drawn(seed + 1), strict=True):
        assert mine != others


def test_the_device_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Babbage 1\n\nmodel name\t: Babbage 1\n")
    monkeypatch.setattr(runtime, "CPU_INFO", info)
    monkeypatch.setattr(runtime.platform, "machine", lambda: "abacus")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert device_name(torch.device("cpu")) == "cpu: Babbage 1, 3 threads"
    info.unlink()
    assert device_name(torch.device("cpu")) == "cpu: abacus, 3 threads"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {device.index}")
    assert device_name(torch.device("cuda", 1)) == "cuda: Card 1"
    assert device_name(torch.device("mps")) == "mps"


def test_versions_are_those_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PACKAGES", ("torch", "no-such-package-here"))
    assert versions() == {
        "python": runtime.platform.python_version(),
        "usb_ext": usb_ext.__version__,
        "torch": metadata.version("torch"),
        "no-such-package-here": "missing",
    }


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that commit() takes for usb_ext's own: the module lies in it as in the checkout."""
    checkout = Path(usb_ext.__file__).resolve().parents[1]
    module = tmp_path / "source" / Path(runtime.__file__).resolve().relative_to(checkout)
    module.parent.mkdir(parents=True)
    module.write_text("")
    monkeypatch.setattr(runtime, "__file__", str(module))
    return tmp_path / "source"


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_commit_and_whether_the_source_differs(source: Path) -> None:
    assert commit() is None  # no repository
    git(source, "init")
    assert commit() is None  # no commit yet
    git(source, "add", ".")
    git(source, "commit", "-m", "one")
    head = git(source, "rev-parse", "HEAD")
    assert len(head) == 40
    assert commit() == head
    next(source.rglob("runtime.py")).write_text("changed")
    assert commit() == f"{head}+changes"


def test_the_repository_of_somebody_else_around_it_does_not_count(source: Path) -> None:
    git(source.parent, "init")
    git(source.parent, "add", ".")
    git(source.parent, "commit", "-m", "a project with usb_ext in its environment")
    assert commit() is None


def test_without_git_there_is_no_commit(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(source, "init")
    monkeypatch.setenv("PATH", str(source))
    assert commit() is None
