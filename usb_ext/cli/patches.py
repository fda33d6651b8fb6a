"""`usb-ext export-patches`: its arguments."""

import argparse
import os
from pathlib import Path

from usb_ext.cli.command import Command, Show


def export_patches_flags(export: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext export-patches`."""
    export.add_argument(
        "--source",
        default="patches",
        metavar="DIR",
        help="sources of the patches (default: patches)",
    )
    export.add_argument(
        "--base", default="0.3.2", metavar="BASE", help="main or 0.3.2, the release (default)"
    )
    export.add_argument(
        "--usb", metavar="DIR", help="for main: a clone of USB's repository (default: $USB_CLONE)"
    )
    export.add_argument("--out", metavar="DIR", help="where they go (default: source/base)")


def run_export_patches(arguments: argparse.Namespace, show: Show) -> int:
    """Make the series, and print its files; gives the exit code.

    Raises:
        DataMissing: no patches in the source.
        SettingsError: no git, no clone for main, or USB is not the release.
        RunFailed: a patch does not apply.
    """
    from usb_ext.patching.export import export_patches

    source = Path(arguments.source).expanduser()
    out = Path(arguments.out or source / arguments.base).expanduser()
    named = arguments.usb or os.environ.get("USB_CLONE")
    clone = Path(named).expanduser() if named else None
    made = export_patches(source, out, arguments.base, clone)
    return show("\n".join(str(path) for path in made))


EXPORT_PATCHES = Command(export_patches_flags, run_export_patches)
