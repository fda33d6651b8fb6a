"""`usb-ext propagate`: from a few labels to prior pseudo-labels of all images (AS3L, Sec. 4.3)."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from usb_ext.cli.data_flags import (
    add_data_flags,
    add_feature_flags,
    check_counts,
    data_settings,
    path_of,
    tuning_of,
)


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    command = commands.add_parser(
        "propagate", help="spread labels over features: prior.npz, accuracy and calibration"
    )
    command.add_argument(
        "--selected", metavar="FILE", help="selected.json, or a run's labelled.json"
    )
    command.add_argument(
        "--labels", metavar="FILE", help="a CSV id,class; without it the data set's own classes"
    )
    command.add_argument(
        "--clusters",
        type=int,
        nargs="+",
        metavar="K",
        help="of each run (1 to 6 times the classes)",
    )
    command.add_argument(
        "--method", choices=("seed_kmeans", "llgc"), default="seed_kmeans", help="(seed_kmeans)"
    )
    command.add_argument(
        "--seeding",
        choices=("split", "class"),
        default="split",
        help="clusters with labels: as many as there are labels for, or one a class (split)",
    )
    command.add_argument(
        "--normaliser",
        choices=("row", "runs"),
        default="row",
        help="votes divided by their sum, or by the number of runs (row)",
    )
    add_feature_flags(command)
    add_data_flags(command)


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Spread and write; gives the exit code.

    Raises:
        SettingsError: a flag out of range, labels that are wrong, or files that do not fit each other.
        DataMissing: files that are not there or cannot be used.
    """
    check_counts(arguments)
    settings = data_settings(arguments)
    tuning = tuning_of(arguments)
    from usb_ext.as3l.propagate.stage import PropagateOrder, propagate_labels

    order = PropagateOrder(
        features=Path(arguments.features),
        selected=path_of(arguments.selected),
        labels=path_of(arguments.labels),
        clusters=tuple(arguments.clusters) if arguments.clusters else None,
        method=arguments.method,
        split=arguments.seeding == "split",
        normaliser=arguments.normaliser,
        seed=arguments.seed,
        out=Path(arguments.out),
        tuning=tuning,
        device=arguments.device,
    )
    return show(propagate_labels(order, settings))
