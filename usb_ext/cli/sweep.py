"""`usb-ext sweep`: a grid of settings, run as a comparison of its cells."""

import argparse
from dataclasses import replace
from pathlib import Path

from usb_ext.cli.command import Command, Show
from usb_ext.cli.compare import dry_run, wish
from usb_ext.comparison.asked import planned
from usb_ext.comparison.cluster import add_cluster
from usb_ext.comparison.methods import add_settings, given_settings
from usb_ext.comparison.sweep import cells_of, parse_grid, sweep_asked
from usb_ext.core.errors import SettingsError
from usb_ext.settings.model import default_of


def sweep_flags(sweep: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext sweep`."""
    sweep.add_argument(
        "--c",
        "--config",
        dest="c",
        metavar="FILE",
        help="settings of all runs, a file or a shipped name",
    )
    sweep.add_argument(
        "--grid", nargs="+", metavar="NAME=V,V", help="settings with their values: lr=0.01,0.03"
    )
    sweep.add_argument(
        "--algorithm",
        metavar="NAME",
        help="of all cells, with its own recipe (default: the file's)",
    )
    sweep.add_argument("--seeds", nargs="+", type=int, metavar="N", help="training seeds")
    sweep.add_argument(
        "--label-seeds", "--label_seeds", nargs="+", type=int, metavar="N",
        help="seeds of the labelled images, paired with --seeds in order (default: the seeds)",
    )  # fmt: skip
    sweep.add_argument(
        "--num-labels", "--num_labels", type=int, metavar="N", help="labelled images"
    )
    sweep.add_argument("--out", metavar="DIR", help="default: save_dir/sweep_NAME-OF-CONFIG")
    sweep.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time")
    sweep.add_argument("--dry-run", action="store_true", help="say what would be run, and end")
    sweep.add_argument("--no-train", action="store_true", help="report what is there")
    sweep.add_argument("--retry", action="store_true", help="try failed runs again")
    sweep.add_argument(
        "--allow-mixed", action="store_true", help="average runs of several commits and versions"
    )
    add_cluster(sweep)
    add_settings(sweep)


def run_sweep(arguments: argparse.Namespace, show: Show) -> int:
    """Sweep, print the page; gives 0, or 1 if a run that was asked for is missing.

    Raises:
        SettingsError: before any run.
    """
    if arguments.jobs < 1:
        raise SettingsError(f"--jobs is {arguments.jobs}; it must be at least 1")
    axes = parse_grid(arguments.grid or ())
    given = given_settings(arguments)
    if both := sorted(axes.keys() & given.flags.keys()):
        raise SettingsError(f"--grid and --{both[0]} both set {both[0]}; leave one of them out")
    place = Path(str(given.value("save_dir") or default_of("save_dir"))).expanduser()
    name = Path(arguments.c).stem if arguments.c else "settings"
    algorithm = arguments.algorithm or given.value("algorithm") or default_of("algorithm")
    methods = cells_of(axes, str(algorithm))
    asked = replace(
        wish(arguments, given),
        methods=methods,
        num_labels=None if arguments.num_labels is None else (arguments.num_labels,),
        out=Path(arguments.out).expanduser() if arguments.out else place / f"sweep_{name}",
    )
    if arguments.dry_run:
        plan, order = planned(replace(asked, cluster=None))
        from usb_ext.comparison.stage import resolved_plan

        return show(dry_run(resolved_plan(plan), order, None))
    made, out = sweep_asked(asked, axes)
    pictures = " .png .svg" if len(axes) == 2 else ""
    show(
        f"{made['page']}\n{out}/sweep.json .md .csv{pictures}, and compare.json .md .tex .csv .png .svg"
    )
    return 0 if arguments.no_train or not any(cell["missing"] for cell in made["cells"]) else 1


SWEEP = Command(
    sweep_flags,
    run_sweep,
    {
        "epilog": "every setting (`usb-ext settings WORD`) is a flag here too, for all cells",
        "allow_abbrev": False,
    },
)
