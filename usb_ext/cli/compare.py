"""`usb-ext compare`: its arguments, and what is done with the report."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from usb_ext.cli.command import Command, Show
from usb_ext.comparison.asked import TRAINS_NOTHING, Asked, compare_asked, planned
from usb_ext.comparison.cluster import add_cluster, cluster_of
from usb_ext.comparison.methods import (
    Given,
    Order,
    add_report,
    add_runs,
    add_settings,
    given_settings,
    parse_methods,
)
from usb_ext.core.errors import SettingsError

if TYPE_CHECKING:
    from usb_ext.comparison.plan import Planned
    from usb_ext.papers.rows import Experiment


def compare_flags(compare: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext compare`."""
    add_runs(compare)
    add_report(compare)
    add_cluster(compare)
    compare.add_argument(
        "--status",
        metavar="DIR",
        help="how far the runs of a comparison are, whatever started them",
    )
    add_settings(compare)


def run_compare(arguments: argparse.Namespace, show: Show) -> int:
    """Compare, print the page; gives 0, or 1 if a run that was asked for is missing.

    Raises:
        SettingsError: before any run.
    """
    if arguments.status is not None:
        return show(_status(arguments))
    if arguments.jobs < 1:
        raise SettingsError(f"--jobs is {arguments.jobs}; it must be at least 1")
    if arguments.cluster and arguments.found:
        raise SettingsError(TRAINS_NOTHING)
    ways = [bool(arguments.methods), bool(arguments.paper), bool(arguments.found)]
    if sum(ways) != 1:
        raise SettingsError(
            "compare needs --methods NAME NAME ... to run, --paper TABLE --cell CELL for a paper's rows, or "
            "--from FOLDER ... of finished runs; see `usb-ext compare --help`"
        )
    if arguments.cell and not arguments.paper:
        raise SettingsError(f"--cell {arguments.cell} is a cell of a table; name it with --paper")
    asked, paper = _asked(arguments)
    if arguments.dry_run and not arguments.found:
        plan, order = planned(asked)
        from usb_ext.comparison.stage import resolved_plan

        return show(dry_run(resolved_plan(plan), order, paper))
    made, out = compare_asked(asked)
    show(f"{made['page']}\n{out}/compare.json .md .tex .csv .png .svg")
    whole = arguments.no_train or all(run["error_last"] is not None for run in made["runs"])
    return 0 if whole else 1


def _status(arguments: argparse.Namespace) -> str:
    """The table of a comparison's folder."""
    if arguments.methods or arguments.paper or arguments.found or arguments.cluster:
        raise SettingsError("--status DIR only looks; leave methods and --cluster out")
    from usb_ext.comparison.status import status

    return status(Path(arguments.status).expanduser())


def _asked(arguments: argparse.Namespace) -> "tuple[Asked, Experiment | None]":
    """The wish, and the cell of a paper that it is."""
    methods = parse_methods(arguments.methods or ())
    asked = replace(
        wish(arguments, given_settings(arguments)),
        methods=methods,
        num_labels=_numbers(arguments.num_labels),
        out=None if arguments.out is None else Path(arguments.out).expanduser(),
        name=Path(arguments.c).stem if arguments.c else "methods",
        metric=arguments.metric,
        time_to=arguments.time_to,
        against=arguments.against,
    )
    if arguments.paper:
        from usb_ext.papers.rows import of_cell

        return of_cell(asked, arguments.paper, arguments.cell, own_file=arguments.c is not None)
    if arguments.found:
        from usb_ext.papers.found_runs import folders_of_runs

        asked = replace(asked, runs=folders_of_runs(arguments.found))
    return asked, None


def wish(arguments: argparse.Namespace, given: Given) -> Asked:
    """What every command that runs a comparison is told by the same flags.

    Args:
        arguments: with seeds, jobs, cluster and what is done with runs that are there.
        given: settings of all runs.

    Raises:
        SettingsError: flags of a cluster that contradict each other.
    """
    return Asked(
        given=given,
        seeds=_numbers(arguments.seeds),
        label_seeds=_numbers(arguments.label_seeds),
        jobs=arguments.jobs,
        allow_mixed=arguments.allow_mixed,
        retry=arguments.retry,
        train=not arguments.no_train,
        cluster=cluster_of(arguments),
        command=shlex.join(("usb-ext", *sys.argv[1:])),
    )


def _numbers(values: list[int] | None) -> tuple[int, ...] | None:
    return tuple(values) if values else None


def dry_run(plan: "Sequence[Planned]", order: Order, paper: "Experiment | None") -> str:
    """What would be run, with which settings; a paper's rows that would not, with the reason.

    Args:
        plan: all runs.
        order: what is asked of them.
        paper: the cell that they are, if they are one.
    """
    lines = [f"{paper.name} ({paper.source}), settings file {paper.file}"] if paper else []
    steps = sorted({run.settings.num_train_iter for run in plan})
    counts = sorted({run.num_labels for run in plan})
    folds = list(dict.fromkeys(str(run.fold) for run in plan))
    said = f"{len(plan)} runs of {' or '.join(map(str, steps))} steps in {order.out / 'runs'}"
    lines.append(f"{said}; labels {', '.join(map(str, counts))}; seeds {', '.join(folds)}")
    firsts: dict[str, Planned] = {}
    for run in plan:
        firsts.setdefault(run.method.label, run)
    for run in firsts.values():
        values = ", ".join(f"{name} {value}" for name, value in run.method.values.items())
        own = f"{run.method.algorithm}{' with ' if values else ''}{values}"
        lines.append(
            f"{run.method.label}: {own}; {run.settings.recipe or 'the settings file as it is'}"
        )
    lines += [f"not run: {label}: {why}" for label, why in (paper.left if paper else ())]
    return "\n".join(lines)


COMPARE = Command(
    compare_flags,
    run_compare,
    {
        "epilog": "every setting (`usb-ext settings WORD`) is a flag here too, for all methods",
        "allow_abbrev": False,
    },
)
