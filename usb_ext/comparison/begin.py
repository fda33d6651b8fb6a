"""How a run begins, whoever begins it: `usb-ext train` on a settings file, in a process of its own.

What a job imports first, so it imports little.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import usb_ext

TRAIN = (sys.executable, "-P", "-m", "usb_ext", "train")


def begun(
    command: Sequence[str], log: Path, *, again: bool = False, keep: Sequence[int] = ()
) -> "subprocess.Popen[bytes]":
    """A run's process, in a session of its own.

    Args:
        command: what to call.
        log: where what it says goes.
        again: it goes on, so that its words come after those that are there.
        keep: file descriptors that it keeps open as long as it lives.
    """
    with log.open("a" if again else "w", encoding="utf-8") as said:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=surroundings(),
            start_new_session=True,
            pass_fds=tuple(keep),
        )


def surroundings() -> dict[str, str]:
    """Environment variables with which another process imports this very package."""
    root = str(Path(usb_ext.__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
