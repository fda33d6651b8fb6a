"""`usb-ext select`: which images to label (AS3L, Sec. 4.4)."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from usb_ext.cli.data_flags import (
    add_data_flags,
    add_feature_flags,
    check_counts,
    data_settings,
    tuning_of,
)
from usb_ext.core.errors import SettingsError

STRATEGIES = ("as3l", "random", "stratified", "kmedoids", "coreset", "usl")


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    command = commands.add_parser(
        "select", help="choose images to label from their features: selected.json and a picture"
    )
    command.add_argument("--budget", type=int, required=True, metavar="N", help="labels to ask for")
    command.add_argument("--strategy", choices=STRATEGIES, default="as3l", help="how (as3l)")
    add_feature_flags(command)
    add_data_flags(command)


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Choose and write; gives the exit code.

    Raises:
        SettingsError: a flag out of range, or files that do not fit each other.
        DataMissing: files that are not there or cannot be used.
    """
    if arguments.budget < 1:
        raise SettingsError(f"budget is {arguments.budget}; it must be at least 1")
    check_counts(arguments)
    settings = data_settings(arguments)
    tuning = tuning_of(arguments)
    from usb_ext.as3l.select.stage import SelectOrder, select_images

    order = SelectOrder(
        features=Path(arguments.features),
        budget=arguments.budget,
        strategy=arguments.strategy,
        seed=arguments.seed,
        out=Path(arguments.out),
        tuning=tuning,
        device=arguments.device,
    )
    return show(select_images(order, settings))
