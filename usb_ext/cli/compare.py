"""`usb-ext compare`: its arguments, and what is done with the report."""

import argparse
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usb_ext.cli.command import Command, Show
from usb_ext.comparison.methods import (
    Given,
    Method,
    Order,
    add_report,
    add_runs,
    add_settings,
    given_settings,
    parse_methods,
    read_target,
)
from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.model import default_of

if TYPE_CHECKING:
    from usb_ext.comparison.plan import Planned
    from usb_ext.papers.rows import Experiment


def compare_flags(compare: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext compare`."""
    add_runs(compare)
    add_report(compare)
    add_settings(compare)


def run_compare(arguments: argparse.Namespace, show: Show) -> int:
    """Compare, print the page; gives 0, or 1 if a run that was asked for is missing.

    Raises:
        SettingsError: before any run.
    """
    if arguments.jobs < 1:
        raise SettingsError(f"--jobs is {arguments.jobs}; it must be at least 1")
    ways = [bool(arguments.methods), bool(arguments.paper), bool(arguments.found)]
    if sum(ways) != 1:
        raise SettingsError(
            "compare needs --methods NAME NAME ... to run, --paper TABLE --cell CELL for a paper's rows, or "
            "--from FOLDER ... of finished runs; see `usb-ext compare --help`"
        )
    if arguments.cell and not arguments.paper:
        raise SettingsError(f"--cell {arguments.cell} is a cell of a table; name it with --paper")
    if arguments.dry_run and not arguments.found:
        plan, order, paper = _planned_runs(arguments)
        from usb_ext.comparison.stage import resolved_plan

        return show(dry_run(resolved_plan(plan), order, paper))
    made, out = (_found if arguments.found else _planned)(arguments)
    show(f"{made['page']}\n{out}/compare.json .md .tex .csv .png .svg")
    whole = arguments.no_train or all(run["error_last"] is not None for run in made["runs"])
    return 0 if whole else 1


def _planned(arguments: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    """Run what is missing, then report."""
    plan, order, _ = _planned_runs(arguments)
    from usb_ext.comparison.as3l_stages import check_runs, with_stages
    from usb_ext.comparison.stage import compare

    if order.train:
        check_runs(plan)
    filled, prepare = with_stages(plan)
    return compare(filled, order, prepare=prepare), order.out


def _planned_runs(
    arguments: argparse.Namespace,
) -> "tuple[list[Planned], Order, Experiment | None]":
    """What is to be run, what is asked of it, and the cell of a paper that it is."""
    paper = _of_paper(arguments)
    methods = parse_methods(arguments.methods) if paper is None else paper.methods
    given = given_settings(arguments)
    if paper is not None:
        given = Given(given.file, {**paper.settings, **given.flags})
    about: dict[str, dict[str, Any]] = {
        m.label: {"algorithm": m.algorithm, "settings": dict(m.values)} for m in methods
    }
    out = _out(arguments, given, paper)
    order = _order(arguments, tuple(method.label for method in methods), out, {"methods": about})
    plan = _plan(arguments, given, methods, order.out)
    for run in plan:
        about[run.method.label]["recipe"] = run.settings.recipe
    return plan, order, paper


def _of_paper(arguments: argparse.Namespace) -> "Experiment | None":
    """The cell that is asked for; its file, seeds and labels stand in for arguments that are not given.

    Raises:
        SettingsError: no such table or cell, or a number of labels beside a cell that has one.
    """
    if not arguments.paper:
        return None
    from usb_ext.papers.rows import experiment

    paper = experiment(arguments.paper, arguments.cell)
    if paper.num_labels is not None:
        if arguments.num_labels:
            raise SettingsError(
                f"--paper {paper.name} says the number of labels; leave --num-labels out"
            )
        arguments.num_labels = [paper.num_labels]
    arguments.c = arguments.c or paper.file
    if not arguments.label_seeds:
        arguments.seeds = arguments.seeds or list(paper.seeds)
    return paper


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


def _found(arguments: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    """Report on finished runs."""
    if arguments.c or arguments.seeds or arguments.label_seeds or arguments.num_labels:
        raise SettingsError("--from reads finished runs; leave --c, seeds and --num-labels out")
    if arguments.out is None:
        raise SettingsError("--from needs --out DIR, where the report is written")

    from usb_ext.comparison.found import found_entries
    from usb_ext.comparison.stage import report

    entries, methods, differing = found_entries(_run_folders(arguments.found))
    about = {"methods": methods, "differing": differing}
    order = _order(arguments, tuple(methods), Path(arguments.out).expanduser(), about)
    return report(entries, order), order.out


def _run_folders(places: Sequence[str]) -> list[Path]:
    """The run folders that are named, and those below other folders or of a glob pattern."""
    from usb_ext.papers.found_runs import find_runs

    folders: dict[Path, None] = {}
    for place in places:
        path = Path(place).expanduser()
        named = (path / "config.yaml").is_file()
        for folder in [path] if named else [run.path for run in find_runs([place])]:
            folders.setdefault(folder)
    return list(folders)


def _order(
    arguments: argparse.Namespace, labels: tuple[str, ...], out: Path, about: Mapping[str, Any]
) -> Order:
    other = None
    if arguments.against is not None:
        from usb_ext.comparison.against import read_other

        other = read_other(arguments.against, out)
    return Order(
        out=out,
        metric=arguments.metric,
        target=None if arguments.time_to is None else read_target(arguments.time_to, labels),
        jobs=arguments.jobs,
        allow_mixed=arguments.allow_mixed,
        retry=arguments.retry,
        train=not arguments.no_train,
        about={"command": shlex.join(("usb-ext", *sys.argv[1:])), **about},
        other=other,
    )


def _plan(
    arguments: argparse.Namespace,
    given: Given,
    methods: tuple[Method, ...],
    out: Path,
) -> "list[Planned]":
    from usb_ext.comparison.plan import make_plan, pair_seeds

    counts = arguments.num_labels or [given.value("num_labels") or default_of("num_labels")]
    first = {"algorithm": methods[0].algorithm, "num_labels": counts[0], **methods[0].values}
    whole = load_settings(given.file, {**given.flags, **first}).settings
    folds = pair_seeds(arguments.seeds, arguments.label_seeds, whole)
    if len(set(counts)) < len(counts):
        raise SettingsError(f"--num-labels names a count twice: {' '.join(map(str, counts))}")
    return make_plan(given.file, methods, folds, sorted(counts), out, given.flags)


def _out(arguments: argparse.Namespace, given: Given, paper: "Experiment | None") -> Path:
    if arguments.out is not None:
        return Path(arguments.out).expanduser()
    stem = Path(arguments.c).stem if arguments.c else "methods"
    if paper is not None:
        stem = re.sub(r"[^A-Za-z0-9._%+-]+", "_", paper.name)
    place = str(given.value("save_dir") or default_of("save_dir"))
    return Path(place).expanduser() / f"compare_{stem}"


COMPARE = Command(
    compare_flags,
    run_compare,
    {
        "epilog": "every setting (`usb-ext settings WORD`) is a flag here too, for all methods",
        "allow_abbrev": False,
    },
)
