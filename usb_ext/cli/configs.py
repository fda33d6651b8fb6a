"""`usb-ext configs`: the settings files that come with the package, and a copy of one to change."""

import argparse
from pathlib import Path

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import SettingsError
from usb_ext.settings.shipped import shipped_file, shipped_files, title


def configs_flags(configs: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext configs`."""
    actions = configs.add_subparsers(dest="action")
    copy = actions.add_parser("copy", help="copy one here, to change it")
    copy.add_argument("name", metavar="NAME", help="with or without .yaml")
    copy.add_argument("--to", metavar="FILE", help="a new file (./NAME.yaml)")


def run_configs(arguments: argparse.Namespace, show: Show) -> int:
    """List the files, or copy one and print where it is; gives the exit code.

    Raises:
        SettingsError: no such name, or a target that exists or cannot be written.
    """
    if arguments.action is None:
        return show("\n".join(f"{name}: {title(path)}" for name, path in shipped_files().items()))
    source = shipped_file(arguments.name)
    target = Path(arguments.to or source.name).expanduser()
    content = source.read_bytes()
    try:
        with target.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise SettingsError(
            f"{target} exists already, and nothing was written; give another one with --to FILE"
        ) from error
    except OSError as error:
        raise SettingsError(f"{target} cannot be written: {error.strerror or error}") from error
    return show(str(target))


CONFIGS = Command(configs_flags, run_configs, {"epilog": "start one with `usb-ext train --c NAME`"})
