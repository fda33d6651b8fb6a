"""What the tests of pages share: a run on pictures, one of whose classes has a name that looks like HTML."""

from pathlib import Path

import pytest
from support.used import photo_run


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; the pictures lie beside it, in `photos/`. Nothing of it may be changed."""
    return photo_run(tmp_path_factory.mktemp("photo"))
