"""Errors that end a command, each with its exit code (0 done, 1 failed, 2 settings, 3 data, 130/143)."""

import re


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


class Interrupted(UsbExtError):
    """The run was stopped by a signal, after a checkpoint.

    Args:
        message: what was saved and how to go on.
        signal_number: POSIX signal number; the exit code is 128 + this (130 SIGINT, 143 SIGTERM).
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONGEST_REASON = 120


def reason(error: BaseException) -> str:
    """The first line of an error of another package without colours, cut after a word, or else its kind."""
    lines = [line.strip() for line in ESCAPES.sub("", str(error)).splitlines()]
    first = next(filter(None, lines), type(error).__name__)
    if len(first) <= LONGEST_REASON:
        return first
    return first[: LONGEST_REASON - 4].rsplit(" ", 1)[0] + " ..."
