"""What the tests of commands share."""

from typing import Any

import pytest

from usb_ext.cli import main as cli


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command; gives exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run
