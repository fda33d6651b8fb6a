"""`usb-ext algorithms`: the names that settings choose from."""

import argparse
from collections.abc import Callable
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    commands.add_parser("algorithms", help="names of the algorithms, bases and extensions")


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Print the catalogue; gives the exit code."""
    from usb_ext.cli.info import catalogue

    return show(catalogue())
