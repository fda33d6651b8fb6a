"""Errors that end a command, each with its exit code (0 done, 1 failed, 2 settings, 3 data, 130/143).

The kinds share `UsbExtError`, but for `Interrupted`: a loop over runs that goes on after errors must not go
on after Ctrl-C.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator


class UsbExtError(Exception):
    """Base of every error that is shown as one line, without a traceback.

    The message names the value that was found and what would work instead.
    """

    exit_code = 1


class RunFailed(UsbExtError):
    """The run itself failed: a loss that is not finite, a network that cannot carry a method."""


class SettingsError(UsbExtError):
    """A setting or argument is unknown, of the wrong type, out of range or contradicts another."""

    exit_code = 2


class DataMissing(UsbExtError):
    """Data or weights are missing or unreadable; the message names the path and how to get the file."""

    exit_code = 3


class Interrupted(KeyboardInterrupt):
    """The run was stopped by a signal, after a checkpoint; `except Exception` lets it pass, as any Ctrl-C.

    Shown as one line, as a `UsbExtError` is.

    Args:
        message: what was saved and how to go on.
        signal_number: POSIX signal number; the exit code is 128 + this (130 SIGINT, 143 SIGTERM).

    Attributes:
        signal_number: as given.
        exit_code: of the command.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class ToldElsewhere(UsbExtError):
    """An error of a run of several processes that another one of them tells.

    Args:
        exit_code: of the error.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__("another process of the run tells why it ended")
        self.exit_code = exit_code


ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONGEST_REASON = 120


def reason(error: BaseException) -> str:
    """The first line of an error of another package without colours, cut after a word, or else its kind."""
    lines = [line.strip() for line in ESCAPES.sub("", str(error)).splitlines()]
    first = next(filter(None, lines), type(error).__name__)
    if len(first) <= LONGEST_REASON:
        return first
    return first[: LONGEST_REASON - 4].rsplit(" ", 1)[0] + " ..."


def quoted(value: object) -> str:
    """What a file holds as a message quotes it: its repr, cut in the middle after 120 characters."""
    text = repr(value)
    half = LONGEST_REASON // 2 - 2
    return text if len(text) <= LONGEST_REASON else f"{text[:half]} ... {text[-half:]}"


SETTINGS_ERRNO = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EEXIST})
REMEDIES = {
    errno.ENOSPC: "free some space, or write elsewhere (--save_dir, --out)",
    errno.EDQUOT: "free some of your quota, or write elsewhere (--save_dir, --out)",
    errno.EROFS: "write elsewhere (--save_dir, --out)",
    errno.EACCES: "change its permissions, or name another place",
    errno.EPERM: "change its permissions, or name another place",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ENOTDIR: "a file stands where a folder is needed; name another place",
    errno.EISDIR: "a folder stands where a file is needed; name another place",
    errno.EEXIST: "a file stands where a folder is needed; name another place",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or lower --num_workers",
    errno.ENOMEM: "lower --batch_size, or free memory",
}
"""What helps against an error of the operating system, where that is known."""

MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")
WRITER = ("PytorchStreamWriter failed", "enforce fail at inline_container", "iostream error")
WORKER = re.compile(r"Caught (\w+) in \w+ ")


@contextlib.contextmanager
def our_errors(lever: str = "--batch_size") -> Iterator[None]:
    """Inside, what the world does (disks, files, memory, workers) is raised as one of our errors.

    Anything else passes unchanged: it is a fault of the program, and its traceback is wanted.

    Args:
        lever: what to lower where memory is short.
    """
    try:
        yield
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        told = told_in_a_line(error, lever)
        if told is None or told is error:
            raise
        raise told from error


def told_in_a_line(error: BaseException, lever: str = "--batch_size") -> UsbExtError | None:
    """Our error for one of the world's, ours as it is (freed from a worker's traceback), or None.

    Args:
        error: what was raised.
        lever: what to lower where memory is short.
    """
    if isinstance(error, UsbExtError):
        return _from_worker(error)
    if isinstance(error, OSError):
        return from_os_error(error)
    if isinstance(error, RecursionError):
        return SettingsError("a file or a value is nested too deeply to be read")
    text = str(error)
    if isinstance(error, ValueError) and text == "embedded null byte":
        return SettingsError("a file name holds a NUL byte, which no file system takes; rename it")
    if isinstance(error, MemoryError) or any(sign in text.lower() for sign in MEMORY):
        return RunFailed(f"out of memory ({reason(error)}); lower {lever}, or free memory")
    if isinstance(error, RuntimeError) and any(sign in text for sign in WRITER):
        return RunFailed(
            f"no room, or no permission, to write it ({reason(error)}); {REMEDIES[errno.ENOSPC]}"
        )
    if isinstance(error, RuntimeError) and text.startswith("DataLoader worker"):
        return RunFailed(
            f"a process that loads data ended ({reason(error)}); use --num_workers 0, or free memory"
        )
    return None


def _from_worker(error: UsbExtError) -> UsbExtError:
    """torch makes a worker's traceback the message of its error; the last line of it is ours."""
    if not WORKER.match(str(error)):
        return error
    last = str(error).strip().splitlines()[-1].partition(": ")[2]
    plain = RunFailed(last)
    plain.exit_code = error.exit_code
    return plain


def from_os_error(error: OSError, what: str = "") -> UsbExtError:
    """Our error for one of the operating system's: the file, what happened, and what helps.

    Args:
        error: what was raised.
        what: the file, where the error does not say; or what was to be done with it.
    """
    if WORKER.match(str(error)):
        return DataMissing(str(error).strip().splitlines()[-1].partition(": ")[2])
    names = [
        os.fsdecode(n) for n in (error.filename, error.filename2) if isinstance(n, str | bytes)
    ]
    name = what or " -> ".join(map(_short, names)) or "a file"
    remedy = REMEDIES.get(error.errno or 0, "")
    text = f"{name}: {error.strerror or reason(error)}{'; ' if remedy else ''}{remedy}"
    if isinstance(error, FileNotFoundError):
        return DataMissing(text)
    return SettingsError(text) if error.errno in SETTINGS_ERRNO else RunFailed(text)


LONGEST_NAME = 255


def _short(name: str) -> str:
    """A path as it is told; of one that no screen holds the beginning and the end."""
    return name if len(name) <= LONGEST_NAME else f"{name[:100]} ... {name[-100:]}"
