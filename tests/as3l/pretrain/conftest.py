"""What the tests of pre-training share."""

from pathlib import Path

import pytest
from support.ssl import pretrained


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny pre-training on digits, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("made")
    pretrained(folder)
    return folder
