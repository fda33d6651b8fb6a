"""What every test shares: one core, because measurements run beside the suite, and the digits."""

import atexit
import dataclasses
import functools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pytest_configure() -> None:
    """What does not depend on where pytest was started: Ctrl-C and a place for matplotlib's fonts.

    A shell's background jobs ignore Ctrl-C, and so would the processes that tests start and interrupt. Where
    the home cannot be written to, fonts are kept for all processes.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "MPLCONFIGDIR" not in os.environ and not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["MPLCONFIGDIR"] = place = tempfile.mkdtemp(prefix="matplotlib-")
        atexit.register(shutil.rmtree, place, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def digits_once() -> Iterator[None]:
    """Runs on digits get copies of arrays that are made once a size: making them takes a third of a run.

    That they are the same at each call is shown in tests/data/test_arrays_digits.py, on the function itself.
    """
    from usb_ext.data import sets

    made = functools.cache(sets.load_digits_arrays)

    def copied(size: int) -> Any:
        arrays = made(size)
        held = {f.name: getattr(arrays, f.name) for f in dataclasses.fields(arrays)}
        return dataclasses.replace(
            arrays, **{k: v.copy() for k, v in held.items() if isinstance(v, np.ndarray)}
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "load_digits_arrays", copied)
        yield


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "list[Figure]":
    """The figures that are saved, in order; their files are empty and in the test's folder."""
    from matplotlib.figure import Figure

    figures: list[Figure] = []

    def savefig(self: Figure, path: Path, **_: Any) -> None:
        figures.append(self)
        Path(path).touch()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


@pytest.fixture
def registries() -> Iterator[None]:
    """What `usb_ext.add_extension`, `add_base`, `add_dataset` and plugins add goes again after the test."""
    from support.registries import forgotten

    with forgotten():
        yield
