"""What every test shares: one core, because measurements run beside the suite, and the digits."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch


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
def registries() -> Iterator[None]:
    """What `usb_ext.add_extension`, `add_base` and `add_dataset` add goes again after the test."""
    from usb_ext.data import sets
    from usb_ext.methods.step.registry import EXTENSIONS, RULES
    from usb_ext.settings import algorithms
    from usb_ext.upstream.usb import ALGORITHMS

    tables: tuple[dict[str, Any], ...] = (
        algorithms.BASES, algorithms.EXTENSIONS, RULES.made, EXTENSIONS.made, sets.ADDED, ALGORITHMS._dict,
    )  # fmt: skip
    known, own_sets = [dict(table) for table in tables], list(sets.OWN)
    yield
    for table, before in zip(tables, known, strict=True):
        table.clear()
        table.update(before)
    sets.OWN[:] = own_sets
