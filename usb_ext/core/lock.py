"""One writer at a time in a folder: a lock that a process holds by an open file, and that dies with it.

A run, a stage and a comparison hold the same kind of lock. The file says who holds it; one that was killed
leaves these words behind but no lock, so the next process takes over and says so.
"""

import contextlib
import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from usb_ext.core.errors import RunFailed, SettingsError, reason

LOCK = ".usb_ext.lock"
UNKNOWN = "unknown"
_log = logging.getLogger(__name__)
_ours: set[int] = set()
"""Descriptors that a fork of this process (a worker that loads images) must not keep open."""


def _close_in_fork() -> None:
    for descriptor in _ours:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _ours.clear()


os.register_at_fork(after_in_child=_close_in_fork)


@contextmanager
def locked(path: Path, what: str, *, inherited: bool = False) -> Iterator[int]:
    """Hold a lock; gives the file descriptor that processes of ours may inherit.

    Args:
        path: the lock file in the folder that is locked; made if need be, and removed at the end unless
            processes that inherit it may outlive this one.
        what: who wants it, such as "a run", for messages.
        inherited: processes that are started get the descriptor and hold the lock until they end, also
            those that a killed parent leaves behind.

    Raises:
        RunFailed: another process holds it.
        SettingsError: the file cannot be made.
    """
    descriptor = _taken(path, what)
    if not inherited:
        _ours.add(descriptor)
    try:
        yield descriptor
    finally:
        with contextlib.suppress(OSError):
            if inherited:
                os.ftruncate(descriptor, 0)
            elif _is_named(descriptor, path):
                path.unlink()
        _ours.discard(descriptor)
        os.close(descriptor)


def forget_dead(path: Path) -> None:
    """Remove a lock file that a killed process has left; one that is held, or cannot be removed, stays.

    Args:
        path: the lock file; it need not be there.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_named(descriptor, path):
                path.unlink()
        finally:
            os.close(descriptor)


def _taken(path: Path, what: str) -> int:
    """An open, locked file that still has its name: the one before us removes it when it ends."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise SettingsError(f"{path.parent} cannot be written into: {reason(error)}") from error
        try:
            _lock(descriptor, path, what)
            if _is_named(descriptor, path):
                _sign(descriptor, path, what)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path, what: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = _words(descriptor) or what
        raise RunFailed(
            f"{path.parent} is in use: {holder} or what it left behind still works there; wait for it, "
            "or stop it"
        ) from error
    except OSError as error:  # a file system without locks
        if holder := _words(descriptor):
            raise RunFailed(
                f"{path.parent} is in use, or was left by {holder}, and this file system has no locks "
                f"that would tell; if nothing works there, delete {path}"
            ) from error


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def _sign(descriptor: int, path: Path, what: str) -> None:
    """Say who holds it from now on, and of whom the words were that still stood there."""
    if before := _words(descriptor):
        _log.info("%s was left by %s, which was killed; going on", path.parent, before)
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    holder = {"what": what, "pid": os.getpid(), "host": socket.gethostname(), "started": started}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _words(descriptor: int) -> str:
    """Who the file says holds it; empty where it says nothing."""
    text = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
    if not text:
        return ""
    try:
        said = json.loads(text)
        return f"{said['what']} (process {said['pid']} on {said['host']}, since {said['started']})"
    except (ValueError, TypeError, KeyError):
        return f"process {UNKNOWN}"
