"""`usb-ext export-patches`: its arguments."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    export = commands.add_parser(
        "export-patches", help="make the patches for USB again, on the installed release"
    )
    export.add_argument(
        "--source", default="patches", metavar="DIR", help="patches and features (default: patches)"
    )
    export.add_argument("--out", metavar="DIR", help="where they go (default: the source)")


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Make the series, and print its files; gives the exit code.

    Raises:
        DataMissing: no patches in the source.
        SettingsError: no git, or USB is not the release.
        RunFailed: a patch does not apply.
    """
    from usb_ext.patching.export import export_patches

    source = Path(arguments.source)
    made = export_patches(source, Path(arguments.out or source))
    return show("\n".join(str(path) for path in made))
