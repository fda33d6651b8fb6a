"""Options as USB's classes declare them: names, types and defaults, all taken from the settings."""

from collections.abc import Callable, Mapping

from usb_ext.settings.kinds import members
from usb_ext.settings.model import Settings
from usb_ext.upstream.usb import SSL_Argument, str2bool

READERS: dict[type, Callable[[str], object]] = {bool: str2bool, float: float, int: int}


def usb_arguments(options: Mapping[str, object]) -> list[SSL_Argument]:
    """USB's declarations (name, type, default) of some settings.

    Args:
        options: defaults by name.

    Returns:
        One `SSL_Argument` each; texts and choices are read as they stand.
    """
    return [SSL_Argument(f"--{name}", _reader(name), value) for name, value in options.items()]


def _reader(name: str) -> Callable[[str], object]:
    """How USB's own command line reads a setting."""
    field = Settings.model_fields.get(name)
    kinds = members(field.annotation) if field is not None else frozenset()
    return next((reader for kind, reader in READERS.items() if kind in kinds), str)
