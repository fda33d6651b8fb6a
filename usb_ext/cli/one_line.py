"""A parser of arguments whose errors are one line with the remedy, as those of the settings are."""

import argparse
from typing import NoReturn

from usb_ext.core.errors import SettingsError


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of two with the usage."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            SettingsError: always, with the message and where help is.
        """
        raise SettingsError(f"{message}; see `{self.prog} --help`")
