"""`usb-ext doctor`, `algorithms`, `check-config`: what is there, what is bridged, which files are right."""

import argparse

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import UsbExtError
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
    """Print a line a file; gives 0, or the exit code that train would end with."""
    code = 0
    for file in arguments.files:
        try:
            warnings = check_config(file)
        except UsbExtError as error:
            code = min(code or error.exit_code, error.exit_code)  # wrong settings before lost files
            show(f"{file}: {' '.join(str(error).removeprefix(f'{file}: ').split())}")
        else:
            show(f"{file}: {warnings[0]}" + "".join(f" ({warning})" for warning in warnings[1:]))
    return code


def check_config(file: str) -> list[str]:
    """Decide by the function that `train` asks; nothing is written and no data set is fetched.

    Args:
        file: a settings file.

    Returns:
        `ok`, then a sentence for each thing without effect.

    Raises:
        UsbExtError: what `train` would say.
    """
    loaded = load_settings(file)
    from usb_ext.as3l.driver import check_staged
    from usb_ext.as3l.workflow import wants_stages
    from usb_ext.training.train import rehearse

    if wants_stages(loaded.settings):
        check_staged(loaded.settings)
        return ["ok", *loaded.warnings]
    return ["ok", *rehearse(loaded)]


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
