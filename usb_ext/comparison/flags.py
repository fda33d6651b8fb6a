"""The arguments of `usb-ext compare`: its own, and every setting as a flag for all methods."""

import argparse
from typing import Any

from usb_ext.config.yaml_reader import read_yaml
from usb_ext.settings import Settings, parse_flags

OWN = frozenset("seed label_seed num_labels algorithm save_name resume load_path overwrite".split())
"""Settings that are no flag of this command, for `--seeds`, `--num-labels` and `--methods` set them."""


def add_runs(compare: Any) -> None:
    """Arguments that say which runs are compared."""
    compare.add_argument("--c", "--config", dest="c", metavar="FILE", help="settings of all runs")
    compare.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="the first is what the others are measured against; fixmatch, "
        "fixmatch:p_cutoff=0.9,T=0.5, or LABEL=fixmatch:extensions=grad_relu",
    )
    compare.add_argument(
        "--from",
        nargs="+",
        dest="found",
        metavar="RUN",
        help="finished runs, folders above them or patterns: report on them, train nothing",
    )
    compare.add_argument("--seeds", nargs="+", type=int, metavar="N", help="training seeds")
    compare.add_argument(
        "--label-seeds",
        "--label_seeds",
        nargs="+",
        type=int,
        metavar="N",
        help="seeds of the labelled images, paired with --seeds in order (default: the seeds)",
    )
    compare.add_argument(
        "--num-labels",
        "--num_labels",
        nargs="+",
        type=int,
        metavar="N",
        help="several: does adding labels help?",
    )


def add_report(compare: Any) -> None:
    """Arguments about the running and the report."""
    compare.add_argument("--out", metavar="DIR", help="default: save_dir/compare_NAME-OF-CONFIG")
    compare.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time")
    compare.add_argument("--metric", choices=("last", "best", "median20"), default="last")
    compare.add_argument(
        "--time-to", metavar="X", help="steps to an accuracy (0.9) or to a method's last accuracy"
    )
    compare.add_argument("--no-train", action="store_true", help="report what is there")
    compare.add_argument("--retry", action="store_true", help="try failed runs again")
    compare.add_argument(
        "--allow-mixed", action="store_true", help="average runs of several commits and versions"
    )


def add_settings(compare: Any) -> None:
    """Every setting that is not the comparison's own, without a line of help."""
    for name in Settings.model_fields:
        if name not in OWN:
            spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
            compare.add_argument(*spellings, nargs="*", dest=f"set_{name}", help=argparse.SUPPRESS)


def given_settings(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings of the file, and of the flags over them."""
    words: list[str] = []
    for name in Settings.model_fields:
        value = getattr(arguments, f"set_{name}", None)
        if value is not None:
            words += [f"--{name}", *value]
    file = {} if arguments.c is None else read_yaml(arguments.c)
    file.pop("overwrite", None)
    return {**file, **parse_flags(words)[1]}


def default(name: str) -> Any:
    """What a setting is where nobody gives it."""
    return Settings.model_fields[name].default
