"""The command `usb-ext`: parse, call a stage, return an exit code.

torch and semilearn are imported inside the stages, so help and argument errors answer at once.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from usb_ext._version import __version__
from usb_ext.cli import COMMANDS, WITH_SETTINGS
from usb_ext.cli.one_line import OneLineParser
from usb_ext.core.errors import SettingsError, UsbExtError
from usb_ext.core.result import percent
from usb_ext.settings import help_text, load_settings, parse_flags

EPILOG = "exit codes: 0 done, 1 failed, 2 settings, 3 data or weights missing, 130/143 interrupted"


def build_parser() -> argparse.ArgumentParser:
    """The parser of the subcommands; the settings of `train` are parsed by `config.parse_flags`."""
    parser = OneLineParser(
        prog="usb-ext",
        description="Methods, engine and protocol that USB (semilearn) lacks.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"usb-ext {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser(
        "train",
        add_help=False,
        help="train one run: --c FILE and any setting as --name value (train --help lists them)",
    )
    for name, stage in WITH_SETTINGS.items():
        commands.add_parser(name, add_help=False, help=stage.HELP)
    for command in COMMANDS.values():
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: arguments after the program's name; None reads them from the process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except UsbExtError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"usb-ext: {' '.join(message.split())}\n")
    return code


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["train"]:
        return _train(words[1:])
    if words and words[0] in WITH_SETTINGS:
        return int(WITH_SETTINGS[words[0]].run(words[1:], _show))
    try:
        arguments = build_parser().parse_args(words)
    except SystemExit as stop:  # after --help or --version
        return int(stop.code or 0)
    code: int = COMMANDS[arguments.command].run(arguments, _show)
    return code


def _train(words: list[str]) -> int:
    if any(word in ("-h", "--help") for word in words):
        return _show(help_text())
    path, flags = parse_flags(words)
    if path is None and not flags:
        raise SettingsError(
            "train needs settings: --c FILE, or --name value; `usb-ext train --help` lists them"
        )
    loaded = load_settings(path, flags)
    from usb_ext.training.train import train

    result = train(loaded)
    return _show(f"top1_last {percent(result.top1_last)}  {result.path}/result.json")


def _show(text: str) -> int:
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0


def entry() -> None:
    """Entry point of the installed command."""
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())
