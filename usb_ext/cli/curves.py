"""`usb-ext curves`: its arguments, and what is said of the picture."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    curves = commands.add_parser(
        "curves", help="accuracy over steps of several runs, seeds as a band, to PNG and SVG"
    )
    curves.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folders, folders above them, or patterns"
    )
    curves.add_argument("--out", default="curves", metavar="NAME", help="writes NAME.png, NAME.svg")
    curves.add_argument("--key", default="eval/top-1-acc", help="what to draw, as in metrics.jsonl")
    curves.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="SETTING",
        help="group runs by this setting (again for more), not by all settings but the seeds",
    )
    curves.add_argument(
        "--band",
        choices=("std", "range"),
        default="std",
        help="one standard deviation, or the lowest and highest run",
    )


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Draw, and print what was drawn and the files; gives the exit code.

    Raises:
        DataMissing: a place without a run, or metrics that cannot be read.
        SettingsError: runs without a common step, an unknown setting, or a file that cannot be written.
    """
    from usb_ext.stages.curves import curves

    lines = curves(
        arguments.runs,
        out=Path(arguments.out),
        metric=arguments.key,
        by=arguments.by,
        band=arguments.band,
    )
    return show("\n".join(lines))
