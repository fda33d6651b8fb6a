"""`usb-ext doctor`, `algorithms`, `settings`, `check-config`: what is there, and which files are right."""

import argparse
from collections.abc import Mapping

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import SettingsError, UsbExtError
from usb_ext.settings import help_about, load_settings
from usb_ext.settings.flags import add_setting_flags, settings_given
from usb_ext.settings.plugin import PLUGIN
from usb_ext.settings.words import nearest


def no_flags(_: argparse.ArgumentParser) -> None:
    """A command without arguments."""


def run_doctor(_: argparse.Namespace, show: Show) -> int:
    """Print the report; gives the exit code."""
    from usb_ext.cli.reports import doctor

    return show(doctor())


def algorithms_flags(parser: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext algorithms`."""
    parser.add_argument("--plugin", metavar="FILE.py", help="list what it adds, too")


def run_algorithms(arguments: argparse.Namespace, show: Show) -> int:
    """Print the catalogue; gives the exit code.

    Raises:
        SettingsError: a plugin that is not there or fails.
    """
    if arguments.plugin is not None:
        load_settings({PLUGIN: arguments.plugin})
    from usb_ext.cli.reports import catalogue

    return show(catalogue())


def settings_flags(parser: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext settings`."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="in a name or what is said of it")


def run_settings(arguments: argparse.Namespace, show: Show) -> int:
    """Print the settings that hold every word, or all of them; gives the exit code.

    Raises:
        SettingsError: there is none.
    """
    found = help_about(arguments.words)
    if found:
        return show(found)
    words = " ".join(arguments.words)
    near = nearest(words)
    raise SettingsError(
        f"no setting speaks of {words!r}"
        + (f"; did you mean {near}?" if near else "; try one word")
    )


def check_config_flags(check: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext check-config`."""
    check.add_argument("files", nargs="+", metavar="FILE", help="or a name of `usb-ext configs`")
    add_setting_flags(check)


def run_check_config(arguments: argparse.Namespace, show: Show) -> int:
    """Print a line a file; gives 0, or the exit code that train would end with."""
    code, flags = 0, settings_given(arguments)
    for file in arguments.files:
        try:
            warnings = check_config(file, flags)
        except UsbExtError as error:
            code = min(code or error.exit_code, error.exit_code)  # wrong settings before lost files
            show(f"{file}: {' '.join(str(error).removeprefix(f'{file}: ').split())}")
        else:
            show(f"{file}: {warnings[0]}" + "".join(f" ({warning})" for warning in warnings[1:]))
    return code


def check_config(file: str, flags: Mapping[str, object] | None = None) -> list[str]:
    """Decide by the function that `train` asks; nothing is written and no data set is fetched.

    Args:
        file: a settings file.
        flags: settings over it, as the command line gives them to `train`.

    Returns:
        `ok`; the recipe where the flags name another method than the file; then a sentence for each thing
        without effect, and what `image_cache` takes on disk.

    Raises:
        UsbExtError: what `train` would say.
    """
    loaded = load_settings(file, flags)
    recipe = [loaded.settings.recipe] if loaded.settings.recipe else []
    from usb_ext.as3l.driver import check_staged
    from usb_ext.as3l.workflow import wants_stages
    from usb_ext.data.sets import told_of_cache
    from usb_ext.training.train import rehearse

    if wants_stages(loaded.settings):
        check_staged(loaded.settings)
        cache = told_of_cache(loaded.settings, images_alone=True)
        return ["ok", *recipe, *loaded.warnings, *cache]
    return ["ok", *recipe, *rehearse(loaded), *told_of_cache(loaded.settings)]


DOCTOR = Command(no_flags, run_doctor)
ALGORITHMS = Command(algorithms_flags, run_algorithms)
SETTINGS = Command(settings_flags, run_settings)
CHECK_CONFIG = Command(
    check_config_flags,
    run_check_config,
    {
        "epilog": "every setting (`usb-ext settings WORD`) is a flag here too, such as --algorithm",
        "allow_abbrev": False,
    },
)
