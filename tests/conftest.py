"""What every test shares: one core, because measurements run beside the suite."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny pre-training on digits, for tests that only look at it."""
    from support.ssl import pretrained

    folder = tmp_path_factory.mktemp("made")
    pretrained(folder)
    return folder


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
