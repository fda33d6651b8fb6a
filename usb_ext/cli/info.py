"""`usb-ext doctor`, `algorithms`, `check-config`: what is there, what is bridged, which files are right."""

import argparse

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings


def no_flags(_: argparse.ArgumentParser) -> None:
    """A command without arguments."""


def run_doctor(_: argparse.Namespace, show: Show) -> int:
    """Print the report; gives the exit code."""
    from usb_ext.cli.reports import doctor

    return show(doctor())


def run_algorithms(_: argparse.Namespace, show: Show) -> int:
    """Print the catalogue; gives the exit code."""
    from usb_ext.cli.reports import catalogue

    return show(catalogue())


def check_config_flags(check: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext check-config`."""
    check.add_argument("files", nargs="+", metavar="FILE", help="or a name of `usb-ext configs`")


def run_check_config(arguments: argparse.Namespace, show: Show) -> int:
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


DOCTOR = Command(
    "doctor", "versions, device, what of USB works here and what is bridged", no_flags, run_doctor
)
ALGORITHMS = Command(
    "algorithms", "names of the algorithms, bases and extensions", no_flags, run_algorithms
)
CHECK_CONFIG = Command(
    "check-config",
    "say of each settings file whether it is ok",
    check_config_flags,
    run_check_config,
)
