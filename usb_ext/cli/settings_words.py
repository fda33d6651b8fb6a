"""Commands whose flags are the settings, as those of `train`: `--c FILE` and any `--name value`."""

from collections.abc import Callable, Sequence

from usb_ext.core.errors import SettingsError
from usb_ext.settings import LoadedSettings, help_text, load_settings, parse_flags


def settings_of(
    command: str, words: Sequence[str], show: Callable[[str], int]
) -> LoadedSettings | None:
    """The settings that a command's words give, or None after showing the help page.

    Args:
        command: its name, for messages.
        words: after the name.
        show: prints a text.

    Raises:
        SettingsError: no words, or settings that are wrong.
    """
    if any(word in ("-h", "--help") for word in words):
        show(help_text())
        return None
    path, flags = parse_flags(words)
    if path is None and not flags:
        raise SettingsError(
            f"{command} needs settings: --c FILE, or --name value; `usb-ext {command} --help` lists "
            "them"
        )
    return load_settings(path, flags)
