"""One comparison at a time in a folder.

The lock is held by an open file, which the training processes inherit: after a comparison was killed
outright, the runs that it left behind still hold it until they end.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from usb_ext.core.errors import RunFailed


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock; gives the file descriptor that processes of ours are to inherit.

    Args:
        path: the lock file, made if need be.

    Raises:
        RunFailed: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise RunFailed(
                f"{path.parent} is in use: a comparison (process {holder}) or a run that it left "
                "behind still trains there; wait for it, or stop it"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield descriptor
    finally:
        os.close(descriptor)
