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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

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
def locked(path: Path, what: str, *, inherited: bool = False, wait: bool = False) -> Iterator[int]:
    """Hold a lock; gives the file descriptor that processes of ours may inherit.

    Args:
        path: the lock file in the folder that is locked; made if need be, and removed at the end unless
            processes that inherit it may outlive this one.
        what: who wants it, such as "a run", for messages.
        inherited: processes that are started get the descriptor and hold the lock until they end, also
            those that a killed parent leaves behind.
        wait: until another process that holds it lets go; for work that any process may find done.

    Raises:
        RunFailed: another process holds it.
        SettingsError: the file cannot be made.
    """
    descriptor = _taken(path, what, wait)
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


def holder_here(path: Path) -> bool:
    """Whether a process of this machine that lives has signed a lock file; the lock itself is left alone.

    Args:
        path: the lock file; it need not be there.
    """
    said = signed(path)
    if said is None or not is_of_here(said):
        return False
    try:
        os.kill(int(said["pid"]), 0)
    except (KeyError, ValueError, TypeError, ProcessLookupError):
        return False
    except OSError:
        return True  # somebody else's process
    return True


def is_of_here(said: Mapping[str, Any]) -> bool:
    """Whether it is this machine whose process has signed, as `signed` gives it."""
    return bool(said.get("host") == socket.gethostname())


def signed(path: Path) -> dict[str, Any] | None:
    """What a lock file says of who holds it, or held it and was killed; None where it says nothing."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _taken(path: Path, what: str, wait: bool) -> int:
    """An open, locked file that still has its name: the one before us removes it when it ends."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise SettingsError(f"{path.parent} cannot be written into: {reason(error)}") from error
        try:
            _lock(descriptor, path, what, wait)
            if _is_named(descriptor, path):
                _sign(descriptor, path, what)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path, what: str, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = _words(descriptor) or what
        if wait:
            _log.info("%s is in use by %s; waiting for it", path.parent, holder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return
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
