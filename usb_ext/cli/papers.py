"""`usb-ext table` and `usb-ext curves`: a paper's table with our runs beside it, and accuracy over steps."""

import argparse
import sys
from pathlib import Path

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import SettingsError

KINDS = ("text", "markdown", "csv", "latex")
WHICH = ("paper", "last", "best", "median20")


def table_flags(table: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext table`."""
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


def run_table(arguments: argparse.Namespace, show: Show) -> int:
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
    return _write(Path(arguments.out).expanduser(), made.text, show)


def _write(path: Path, text: str, show: Show) -> int:
    from usb_ext.core.files import write_text
    from usb_ext.core.outputs import claim_outputs

    claim_outputs(path.parent, [path.name], make=False)
    try:
        write_text(path, text.rstrip("\n") + "\n")
    except OSError as error:
        raise SettingsError(f"--out {path} cannot be written: {error.strerror}") from error
    return show(str(path))


def curves_flags(curves: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext curves`."""
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
    curves.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="RUN",
        help="draw where these runs ended as a line across (again for more), such as fullysupervised",
    )


def run_curves(arguments: argparse.Namespace, show: Show) -> int:
    """Draw, and print what was drawn and the files; gives the exit code.

    Raises:
        DataMissing: a place without a run, or metrics that cannot be read.
        SettingsError: runs without a common step, an unknown setting, or a file that cannot be written.
    """
    from usb_ext.papers.curves import curves

    lines = curves(
        arguments.runs,
        out=Path(arguments.out).expanduser(),
        metric=arguments.key,
        by=arguments.by,
        band=arguments.band,
        references=arguments.reference,
    )
    return show("\n".join(lines))


TABLE = Command(table_flags, run_table)
CURVES = Command(curves_flags, run_curves)
