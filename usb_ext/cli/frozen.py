"""`usb-ext features`: a frozen network once over views of every image, to train on what it says of them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from usb_ext.cli.command import OneLineParser, SettingsCommand, Show, settings_of
from usb_ext.cli.processes import shared, take_devices
from usb_ext.cli.table import help_of
from usb_ext.core.errors import SettingsError
from usb_ext.settings.processes import refuse_several_features


def run_features(words: Sequence[str], show: Show) -> int:
    """Make what is missing of the features; gives the exit code.

    Args:
        words: after the command's name: its own flags, and settings as `train` takes them.
        show: prints a text.

    Raises:
        SettingsError, DataMissing, RunFailed, Interrupted: as in `as3l.frozen.stage`.
    """
    words, devices = take_devices(words)
    try:
        own, rest = _parser().parse_known_args(words)
    except SystemExit:  # after --help
        return 0
    for name in ("weak", "strong"):
        if getattr(own, name) < 1:
            raise SettingsError(f"--{name} is {getattr(own, name)}; it must be at least 1")
    loaded = settings_of("features", rest, show)
    if loaded is None:
        return 0

    def act() -> str:
        from usb_ext.as3l.frozen.made import FeaturesOrder
        from usb_ext.as3l.frozen.stage import make_features

        out = None if own.out is None else Path(own.out).expanduser()
        return make_features(loaded.settings, FeaturesOrder(own.weak, own.strong, out))

    command, refuse = ["features", *words], refuse_several_features
    return shared(command, loaded.settings, devices, show, act, refuse)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="usb-ext features",
        description=help_of("features"),
        epilog="every setting of `usb-ext train --help` is a flag here too; give --c FILE",
        allow_abbrev=False,
    )
    parser.add_argument("--weak", type=int, default=4, help="weak views of each image (4)")
    parser.add_argument("--strong", type=int, default=8, help="strong views of each image (8)")
    parser.add_argument(
        "--out", metavar="DIR", help="folder (default: save_dir/features_DATASET_NET)"
    )
    return parser


FEATURES = SettingsCommand(run_features)
