"""`usb-ext compare`: its arguments, and what is done with the report."""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from usb_ext.comparison.flags import add_report, add_runs, add_settings, given_settings
from usb_ext.comparison.methods import Method, parse_methods, read_target
from usb_ext.comparison.order import Order
from usb_ext.comparison.plan import Planned, make_plan, pair_seeds
from usb_ext.config import Settings, load_settings
from usb_ext.errors import SettingsError


def add(commands: Any) -> None:
    """Add the subcommand to the parser's subcommands."""
    compare = commands.add_parser(
        "compare",
        help="run methods on the same folds, then table, test and plot them",
        epilog="every setting of `usb-ext train --help` is a flag here too, for all methods",
        allow_abbrev=False,
    )
    add_runs(compare)
    add_report(compare)
    add_settings(compare)


def run(arguments: argparse.Namespace, show: Callable[[str], int]) -> int:
    """Compare, print the page; gives 0, or 1 if a run of the comparison is missing.

    Raises:
        SettingsError: before any run.
    """
    if arguments.jobs < 1:
        raise SettingsError(f"--jobs is {arguments.jobs}; it must be at least 1")
    if not arguments.methods:
        raise SettingsError("compare needs --methods NAME NAME ...; see `usb-ext compare --help`")
    methods = parse_methods(arguments.methods)
    labels = tuple(method.label for method in methods)
    target = None if arguments.time_to is None else read_target(arguments.time_to, labels)
    given = given_settings(arguments)
    out = _out(arguments, given)
    plan = _plan(arguments, given, methods, out)

    from usb_ext.stages.compare import compare

    order = Order(
        out=out,
        metric=arguments.metric,
        target=target,
        jobs=arguments.jobs,
        allow_mixed=arguments.allow_mixed,
        retry=arguments.retry,
        train=not arguments.no_train,
        about={"command": shlex.join(("usb-ext", *sys.argv[1:])), "methods": _described(methods)},
    )
    report = compare(plan, order)
    show(f"{report['page']}\n{out}/compare.json .md .tex .csv .png .svg")
    return 1 if any(run["error_last"] is None for run in report["runs"]) else 0


def _plan(
    arguments: argparse.Namespace,
    given: Mapping[str, object],
    methods: tuple[Method, ...],
    out: Path,
) -> list[Planned]:
    settings = load_settings({**given, "algorithm": methods[0].algorithm, **methods[0].values})
    folds = pair_seeds(arguments.seeds, arguments.label_seeds, settings.settings)
    counts = arguments.num_labels or [settings.settings.num_labels]
    if len(set(counts)) < len(counts):
        raise SettingsError(f"--num-labels names a count twice: {' '.join(map(str, counts))}")
    return make_plan(given, methods, folds, sorted(counts), out)


def _out(arguments: argparse.Namespace, given: Mapping[str, object]) -> Path:
    if arguments.out is not None:
        return Path(arguments.out)
    stem = Path(arguments.c).stem if arguments.c else "methods"
    default = Settings.model_fields["save_dir"].default
    return Path(str(given.get("save_dir", default))) / f"compare_{stem}"


def _described(methods: tuple[Method, ...]) -> dict[str, Any]:
    return {m.label: {"algorithm": m.algorithm, "settings": dict(m.values)} for m in methods}
