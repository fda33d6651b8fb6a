"""What every test shares: one core, because measurements run beside the suite."""

from collections.abc import Iterator
from pathlib import Path

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
    from helpers_ssl import pretrained

    folder = tmp_path_factory.mktemp("made")
    pretrained(folder)
    return folder
