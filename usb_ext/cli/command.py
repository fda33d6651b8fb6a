"""What a subcommand is, and how arguments are refused: in one line with the remedy, as settings are."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from usb_ext.core.errors import SettingsError

if TYPE_CHECKING:
    from usb_ext.settings import LoadedSettings

Show = Callable[[str], int]
"""Prints a text and gives exit code 0."""


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of two with the usage."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            SettingsError: always, with the message and where help is.
        """
        raise SettingsError(f"{message}; see `{self.prog} --help`")


@dataclass(frozen=True)
class Command:
    """A subcommand with flags of its own.

    Attributes:
        flags: adds its arguments to its parser.
        run: from parsed arguments and a way to print to the exit code.
        parser: further words for its parser, such as an epilog.
    """

    flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Show], int]
    parser: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SettingsCommand:
    """A subcommand whose flags are the settings, as those of `train`: `--c FILE`, or the name of a file that
    comes with the package, and any `--name value`.

    Attributes:
        run: from the words after the name and a way to print to the exit code.
    """

    run: Callable[[Sequence[str], Show], int]


def settings_of(command: str, words: Sequence[str], show: Show) -> "LoadedSettings | None":
    """The settings that a command's words give, or None after showing the help page.

    Args:
        command: its name, for messages.
        words: after the name.
        show: prints a text.

    Raises:
        SettingsError: no words, or settings that are wrong.
    """
    from usb_ext.settings import first_help, help_text, load_settings, parse_flags

    if "--help-all" in words:
        show(help_text())
        return None
    if any(word in ("-h", "--help") for word in words):
        show(first_help(command))
        return None
    path, flags = parse_flags(words)
    if path is None and not flags:
        raise SettingsError(
            f"{command} needs settings: --c FILE or a name of `usb-ext configs`, or --name value; "
            f"`usb-ext {command} --help` lists them"
        )
    return load_settings(path, flags)
