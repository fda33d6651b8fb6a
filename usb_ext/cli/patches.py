"""`usb-ext export-patches`: its arguments."""

import argparse
from pathlib import Path

from usb_ext.cli.command import Command, Show


def export_patches_flags(export: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext export-patches`."""
    export.add_argument(
        "--source", default="patches", metavar="DIR", help="patches and features (default: patches)"
    )
    export.add_argument("--out", metavar="DIR", help="where they go (default: the source)")


def run_export_patches(arguments: argparse.Namespace, show: Show) -> int:
    """Make the series, and print its files; gives the exit code.

    Raises:
        DataMissing: no patches in the source.
        SettingsError: no git, or USB is not the release.
        RunFailed: a patch does not apply.
    """
    from usb_ext.patching.export import export_patches

    source = Path(arguments.source).expanduser()
    made = export_patches(source, Path(arguments.out or source).expanduser())
    return show("\n".join(str(path) for path in made))


EXPORT_PATCHES = Command(export_patches_flags, run_export_patches)
