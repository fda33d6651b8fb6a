"""The commands of `usb-ext`, and the one place where an error becomes a line and an exit code."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TextIO

from usb_ext._version import __version__
from usb_ext.cli.command import OneLineParser, SettingsCommand
from usb_ext.cli.processes import check_alone_for
from usb_ext.cli.table import COMMANDS
from usb_ext.core.allocator import keep_freed_memory
from usb_ext.core.errors import (
    Interrupted,
    ToldElsewhere,
    UsbExtError,
    from_os_error,
    our_errors,
)

EPILOG = "exit codes: 0 done, 1 failed, 2 settings, 3 data or weights missing, 130/143 interrupted"


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the subcommands; flags that are settings are parsed by `settings.parse_flags`.

    Args:
        words: of the command line; only the command that they name is imported, and has its flags.
    """
    parser = OneLineParser(
        prog="usb-ext",
        description="Methods, engine and protocol that USB (semilearn) lacks.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"usb-ext {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for listed in COMMANDS:
        command = listed.load() if listed.name in words else None
        if command is None or isinstance(command, SettingsCommand):
            commands.add_parser(listed.name, add_help=False, help=listed.help)
        else:
            own = commands.add_parser(listed.name, help=listed.help, **command.parser)
            command.flags(own)
            own.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: arguments after the program's name; None reads them from the process.

    Returns:
        The exit code; 141 where nobody reads what is said, as shells count SIGPIPE.
    """
    _open_what_is_closed()
    keep_freed_memory()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with our_errors():
            return _dispatch(words)
    except ToldElsewhere as error:
        return error.exit_code
    except (UsbExtError, Interrupted) as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
        return 128 + signal.SIGPIPE


def _open_what_is_closed() -> None:
    """Python has None for a stream that was closed before it started (`2>&-`)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))


def _to_nowhere(stream: TextIO) -> None:
    """Send a stream that cannot be written to nowhere, so that Python's end does not fail on it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(message: str, code: int) -> int:
    try:
        sys.stderr.write(f"usb-ext: {' '.join(message.split())}\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # nobody is there to be told
        _to_nowhere(sys.stderr)
    return code


def _dispatch(words: list[str]) -> int:
    for listed in COMMANDS:
        if words[:1] == [listed.name]:
            check_alone_for(listed.name)
            command = listed.load()
            if isinstance(command, SettingsCommand):
                return command.run(words[1:], _show)
    try:
        arguments = build_parser(words).parse_args(words)
    except SystemExit as stop:  # after --help or --version
        return int(stop.code or 0)
    return int(arguments.run(arguments, _show))


def _show(text: str) -> int:
    try:
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _to_nowhere(sys.stdout)
        raise from_os_error(error, "stdout could not be written") from error
    return 0


def entry() -> None:
    """Entry point of the installed command."""
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
