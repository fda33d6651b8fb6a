"""`usb-ext compare`: its arguments, and what is done with the report."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usb_ext.cli.command import Command, Show
from usb_ext.comparison.methods import (
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
    if bool(arguments.methods) == bool(arguments.found):
        raise SettingsError(
            "compare needs --methods NAME NAME ... to run, or --from FOLDER ... of finished runs; "
            "see `usb-ext compare --help`"
        )
    made, out = (_found if arguments.found else _planned)(arguments)
    show(f"{made['page']}\n{out}/compare.json .md .tex .csv .png .svg")
    whole = arguments.no_train or all(run["error_last"] is not None for run in made["runs"])
    return 0 if whole else 1


def _planned(arguments: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    """Run what is missing, then report."""
    methods = parse_methods(arguments.methods)
    labels = tuple(method.label for method in methods)
    about = {m.label: {"algorithm": m.algorithm, "settings": dict(m.values)} for m in methods}
    given = given_settings(arguments)
    order = _order(arguments, labels, _out(arguments, given), {"methods": about})
    plan = _plan(arguments, given, methods, order.out)

    from usb_ext.comparison.as3l_stages import check_runs, with_stages
    from usb_ext.comparison.stage import compare

    if order.train:
        check_runs(plan)
    filled, prepare = with_stages(plan)
    return compare(filled, order, prepare=prepare), order.out


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
    return Order(
        out=out,
        metric=arguments.metric,
        target=None if arguments.time_to is None else read_target(arguments.time_to, labels),
        jobs=arguments.jobs,
        allow_mixed=arguments.allow_mixed,
        retry=arguments.retry,
        train=not arguments.no_train,
        about={"command": shlex.join(("usb-ext", *sys.argv[1:])), **about},
    )


def _plan(
    arguments: argparse.Namespace,
    given: Mapping[str, object],
    methods: tuple[Method, ...],
    out: Path,
) -> "list[Planned]":
    from usb_ext.comparison.plan import make_plan, pair_seeds

    counts = arguments.num_labels or [given.get("num_labels", default_of("num_labels"))]
    first = {"algorithm": methods[0].algorithm, "num_labels": counts[0], **methods[0].values}
    folds = pair_seeds(arguments.seeds, arguments.label_seeds, load_settings(given, first).settings)
    if len(set(counts)) < len(counts):
        raise SettingsError(f"--num-labels names a count twice: {' '.join(map(str, counts))}")
    return make_plan(given, methods, folds, sorted(counts), out)


def _out(arguments: argparse.Namespace, given: Mapping[str, object]) -> Path:
    if arguments.out is not None:
        return Path(arguments.out).expanduser()
    stem = Path(arguments.c).stem if arguments.c else "methods"
    place = str(given.get("save_dir", default_of("save_dir")))
    return Path(place).expanduser() / f"compare_{stem}"


COMPARE = Command(
    "compare",
    "run methods on the same folds, then table, test and plot them",
    compare_flags,
    run_compare,
    {
        "epilog": "every setting of `usb-ext train --help` is a flag here too, for all methods",
        "allow_abbrev": False,
    },
)
