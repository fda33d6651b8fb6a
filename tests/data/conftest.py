"""What several tests of data sets share."""

from pathlib import Path

import pytest
from support import sets


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 in its own format, 40 images a batch file, in the folder `data`."""
    sets.cifar(tmp_path / "data", "cifar10", monkeypatch, per_file=40)
    return tmp_path
