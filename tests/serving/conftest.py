"""What the tests of use share: one run on pictures."""

from pathlib import Path

import pytest
from support.used import photo_run


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; the pictures lie beside it, in `photos/`. Nothing of it may be changed."""
    return photo_run(tmp_path_factory.mktemp("photo"))
