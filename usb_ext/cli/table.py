"""`usb-ext table`: its arguments, and where the table goes."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from usb_ext.core.errors import SettingsError

KINDS = ("text", "markdown", "csv", "latex")
WHICH = ("paper", "last", "best", "median20")


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    table = commands.add_parser(
        "table", help="a paper's table with the mean and spread of our runs beside it"
    )
    table.add_argument("name", metavar="TABLE", help="such as layermatch-1; `list` names them all")
    table.add_argument(
        "runs", nargs="*", metavar="RUN", help="run folders, folders above them, or patterns"
    )
    table.add_argument("--format", choices=KINDS, default="text")
    table.add_argument(
        "--score",
        choices=WHICH,
        default="paper",
        help="weights that count: as the paper says (else the last), last, best or median20",
    )
    table.add_argument(
        "--ddof", type=int, choices=(0, 1), default=1, help="deviations over n - ddof"
    )
    table.add_argument("--out", metavar="FILE", help="write the table there")


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Print the table, or write it to a file; gives the exit code.

    Raises:
        SettingsError: a table that is not there, or a file that cannot be written.
        DataMissing: a place without a run.
    """
    from usb_ext.papers.stage import table
    from usb_ext.papers.tables import table_names

    if arguments.name == "list":
        return show("\n".join(table_names()))
    made = table(
        arguments.name,
        arguments.runs,
        kind=arguments.format,
        which=arguments.score,
        ddof=arguments.ddof,
    )
    for note in made.notes:
        sys.stderr.write(note + "\n")
    if arguments.out is None:
        return show(made.text)
    return _write(Path(arguments.out), made.text, show)


def _write(path: Path, text: str, show: Callable[[str], int]) -> int:
    from usb_ext.atomic_files import write_text

    try:
        write_text(path, text.rstrip("\n") + "\n")
    except OSError as error:
        raise SettingsError(f"--out {path} cannot be written: {error.strerror}") from error
    return show(str(path))
