"""`usb-ext tsne`: a picture of features in the plane (AS3L, Fig. 5)."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from usb_ext.core.errors import SettingsError


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    command = commands.add_parser("tsne", help="draw features in the plane by t-SNE")
    command.add_argument("--features", required=True, metavar="FILE", help="features.npz")
    command.add_argument(
        "--selected", metavar="FILE", help="selected.json, whose images are marked"
    )
    command.add_argument("--prior", metavar="FILE", help="prior.npz, drawn beside the classes")
    command.add_argument("--out", required=True, metavar="PNG", help="picture to write")
    command.add_argument("--most", type=int, default=5000, help="points at most (5000)")
    command.add_argument("--perplexity", type=float, default=30.0, help="of t-SNE (30)")
    command.add_argument("--seed", type=int, default=0, help="of points and of t-SNE (0)")


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Draw; gives the exit code.

    Raises:
        SettingsError: a flag out of range, or files that do not fit each other.
        DataMissing: files that are not there or cannot be used.
    """
    for name, least in (("most", 10), ("perplexity", 1), ("seed", 0)):
        if not getattr(arguments, name) >= least:
            raise SettingsError(
                f"--{name} is {getattr(arguments, name)}; it must be at least {least}"
            )
    from usb_ext.as3l.tsne import TsneOrder, tsne

    order = TsneOrder(
        features=Path(arguments.features),
        out=Path(arguments.out),
        selected=None if arguments.selected is None else Path(arguments.selected),
        prior=None if arguments.prior is None else Path(arguments.prior),
        most=arguments.most,
        perplexity=arguments.perplexity,
        seed=arguments.seed,
    )
    return show(tsne(order))
