"""Settings of a run: closed, typed, checked before any work (layer 0: no torch, no semilearn).

`load_settings(path, overrides)` reads a file; `parse_flags(argv)` reads the command line.
"""

from usb_ext.settings.digest import config_sha256, differing_keys, resolved_yaml
from usb_ext.settings.flags import parse_flags
from usb_ext.settings.model import Settings
from usb_ext.settings.sources import LoadedSettings, load_settings
from usb_ext.settings.words import first_help, help_about, help_text

__all__ = [
    "LoadedSettings",
    "Settings",
    "config_sha256",
    "differing_keys",
    "first_help",
    "help_about",
    "help_text",
    "load_settings",
    "parse_flags",
    "resolved_yaml",
]
