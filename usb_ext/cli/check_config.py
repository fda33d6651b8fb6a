"""`usb-ext check-config`: of each settings file whether it is ok, or what is wrong."""

import argparse
from collections.abc import Callable
from typing import Any

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    check = commands.add_parser("check-config", help="say of each settings file whether it is ok")
    check.add_argument("files", nargs="+", metavar="FILE")


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Print a line a file; gives 0, or 2 if any of them is wrong."""
    code = 0
    for file in arguments.files:
        try:
            warnings = load_settings(file).warnings
        except SettingsError as error:
            code = error.exit_code
            show(f"{file}: {' '.join(str(error).removeprefix(f'{file}: ').split())}")
        else:
            show(f"{file}: ok" + "".join(f" ({warning})" for warning in warnings))
    return code
