"""Flags that name a data set and the means, shared by the commands that work on features."""

import argparse
from pathlib import Path
from typing import Any

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings, load_settings

DATA = {"dataset": str, "data_dir": str, "img_size": int, "num_classes": int}
COUNTS = ("runs", "points_per_center", "threads")


def add_data_flags(command: argparse.ArgumentParser) -> None:
    """Add `--c`, `--dataset`, `--data_dir`, `--img_size` and `--num_classes`."""
    command.add_argument("--c", metavar="FILE", help="a run's settings, which name the data set")
    for name, kind in DATA.items():
        flags = {f"--{name}", f"--{name.replace('_', '-')}"}
        text = f"the setting {name} of the data set"
        command.add_argument(*sorted(flags, reverse=True), type=kind, help=text)


def add_feature_flags(command: argparse.ArgumentParser) -> None:
    """Add what the features are and how they are prepared, which both commands must agree on."""
    command.add_argument("--features", required=True, metavar="FILE", help="features.npz")
    command.add_argument("--out", default=".", metavar="DIR", help="folder for the results")
    command.add_argument("--seed", type=int, default=0, help="of every draw (0)")
    command.add_argument("--runs", type=int, default=6, help="runs of K-means, C (6)")
    command.add_argument(
        "--tune_epochs", type=int, default=40, help="of feature fine-tuning, Eq. 6; 0: none (40)"
    )
    command.add_argument(
        "--normalise", choices=("l2", "none"), default="l2", help="features to length 1 first (l2)"
    )
    command.add_argument(
        "--points_per_center", type=int, help="images a center that K-means trains on (all)"
    )
    command.add_argument(
        "--device", default="cpu", help="of feature fine-tuning: cpu, cuda, ... (cpu)"
    )
    command.add_argument("--threads", type=int, help="CPU threads")


def data_settings(arguments: argparse.Namespace) -> Settings | None:
    """The data set that the flags name, or None where they name none.

    Raises:
        SettingsError: a wrong setting.
    """
    given = {name: value for name in DATA if (value := getattr(arguments, name)) is not None}
    if arguments.c is None and not given:
        return None
    if arguments.c is None:
        given["label_split"] = "random"  # no number of labels is asked of the data set here
    return load_settings(arguments.c, given).settings


def check_counts(arguments: argparse.Namespace) -> None:
    """Refuse numbers below the least that makes sense.

    Raises:
        SettingsError: with the flag, the value and the least.
    """
    least = {**dict.fromkeys(COUNTS, 1), "tune_epochs": 0, "seed": 0}
    for name, low in least.items():
        value = getattr(arguments, name)
        if value is not None and value < low:
            raise SettingsError(f"--{name} is {value}; it must be at least {low}")


def tuning_of(arguments: argparse.Namespace) -> Any:
    """The flags as `functional.fine_features.Tuning`, after setting the number of threads."""
    from usb_ext.core.runtime import limit_threads
    from usb_ext.functional.fine_features import Tuning

    if arguments.threads is not None:
        limit_threads(arguments.threads)
    return Tuning(
        arguments.runs, arguments.tune_epochs, arguments.normalise, arguments.points_per_center
    )


def path_of(text: str | None) -> Path | None:
    """A path where one is given."""
    return None if text is None else Path(text)
