"""`usb-ext doctor`: what of USB works here, and what is bridged."""

import argparse
from collections.abc import Callable
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    commands.add_parser(
        "doctor", help="versions, device, what of USB works here and what is bridged"
    )


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Print the report; gives the exit code."""
    from usb_ext.stages.doctor import doctor

    return show(doctor())
