"""Nobody reads what a command says, or its place is full: an exit code, and never a traceback."""

import subprocess
import sys

import pytest

COMMAND = f"{sys.executable} -P -m usb_ext train --help"


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        ("> /dev/full", 1, "stdout could not be written: No space left on device"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("2> /dev/full", 0, ""),
        ("| true", 141, ""),
    ],
)
def test_an_output_that_takes_nothing_is_no_traceback(how: str, code: int, says: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND} {how}; exit ${{PIPESTATUS[0]}}"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert says in done.stderr


def test_a_wrong_argument_where_stderr_takes_nothing_is_still_told_by_the_code() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -P -m usb_ext train --nonsense 2> /dev/full"], check=False
    )
    assert done.returncode == 2
