"""`usb-ext select`, `propagate`, `tsne`: the stages of AS3L that work on a features file (Secs. 4.3, 4.4).

What the features are and which data set they are of is said by the same flags in all of them.
"""

import argparse
from pathlib import Path
from typing import Any

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.model import choices_of, default_of

DATA = {"dataset": str, "data_dir": str, "img_size": int, "num_classes": int}
COUNTS = ("runs", "points_per_center", "threads")


def add_data_flags(command: argparse.ArgumentParser) -> None:
    """Add `--c`, `--dataset`, `--data_dir`, `--img_size` and `--num_classes`."""
    command.add_argument(
        "--c",
        metavar="FILE",
        help="a run's settings, which name the data set: a file or a name of `usb-ext configs`",
    )
    for name, kind in DATA.items():
        flags = {f"--{name}", f"--{name.replace('_', '-')}"}
        text = f"the setting {name} of the data set"
        command.add_argument(*sorted(flags, reverse=True), type=kind, help=text)


def add_feature_flags(command: argparse.ArgumentParser) -> None:
    """Add what the features are and how they are prepared, which both commands must agree on."""
    command.add_argument("--features", required=True, metavar="FILE", help="features.npz")
    command.add_argument("--out", default=".", metavar="DIR", help="folder for the results")
    command.add_argument("--seed", type=int, default=0, help="of every draw (0)")
    _as_setting(command, "as3l_runs", "runs of K-means, C")
    _as_setting(command, "as3l_tune_epochs", "of feature fine-tuning, Eq. 6; 0: none")
    _as_setting(command, "as3l_normalise", "features to length 1 first, or centred before that")
    command.add_argument(
        "--points_per_center", type=int, help="images a center that K-means trains on (all)"
    )
    command.add_argument(
        "--device", default="cpu", help="of feature fine-tuning: cpu, cuda, ... (cpu)"
    )
    command.add_argument("--threads", type=int, help="CPU threads")


def _as_setting(command: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add a flag that stands for a setting `as3l_...`, with its choices and its default."""
    default, choices = default_of(name), choices_of(name)
    command.add_argument(
        f"--{name.removeprefix('as3l_')}",
        type=str if choices else int,
        choices=choices or None,
        default=default,
        help=f"{text} ({default})",
    )


def data_settings(arguments: argparse.Namespace) -> Settings | None:
    """The data set that the flags name, or None where they name none.

    Raises:
        SettingsError: a wrong setting.
    """
    given = {name: value for name in DATA if (value := getattr(arguments, name)) is not None}
    if arguments.c is None and not given:
        return None
    if arguments.c is None:
        given["label_split"] = "random"  # no number of labels is asked of the data set here
    return load_settings(arguments.c, given).settings


def check_counts(arguments: argparse.Namespace) -> None:
    """Refuse a device that is none, and numbers below the least that makes sense.

    Raises:
        SettingsError: with the flag, the value and what is allowed.
    """
    load_settings({"device": arguments.device})
    least = {**dict.fromkeys(COUNTS, 1), "tune_epochs": 0, "seed": 0}
    for name, low in least.items():
        value = getattr(arguments, name)
        if value is not None and value < low:
            raise SettingsError(f"--{name} is {value}; it must be at least {low}")


def tuning_of(arguments: argparse.Namespace) -> Any:
    """The flags as `Tuning`, after setting the number of threads."""
    from usb_ext.as3l.clustering.fine_tuning import Tuning
    from usb_ext.core.runtime import limit_threads

    if arguments.threads is not None:
        limit_threads(arguments.threads)
    return Tuning(
        arguments.runs, arguments.tune_epochs, arguments.normalise, arguments.points_per_center
    )


def path_of(text: str | None) -> Path | None:
    """A path where one is given; `~` is the home folder, also after `=`, where shells leave it."""
    return None if text is None else Path(text).expanduser()


def select_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext select`."""
    command.add_argument("--budget", type=int, required=True, metavar="N", help="labels to ask for")
    command.add_argument(
        "--given",
        metavar="FILE",
        help="a CSV id,class of images labelled before: the budget comes on top of them",
    )
    _as_setting(command, "as3l_strategy", "how")
    _as_setting(command, "as3l_choose_on", "features to choose on")
    _as_setting(command, "as3l_usl", "whose constants usl takes")
    command.add_argument(
        "--average_views",
        action="store_true",
        help="of a folder of `usb-ext features`: choose on the mean of plain and weak views",
    )
    add_feature_flags(command)
    add_data_flags(command)


def run_select(arguments: argparse.Namespace, show: Show) -> int:
    """Choose and write; gives the exit code.

    Raises:
        SettingsError: a flag out of range, or files that do not fit each other.
        DataMissing: files that are not there or cannot be used.
    """
    if arguments.budget < 1:
        raise SettingsError(f"budget is {arguments.budget}; it must be at least 1")
    check_counts(arguments)
    settings = data_settings(arguments)
    tuning = tuning_of(arguments)
    from usb_ext.as3l.select.stage import SelectOrder, select_images
    from usb_ext.settings.as3l import usl_of

    order = SelectOrder(
        features=Path(arguments.features).expanduser(),
        budget=arguments.budget,
        strategy=arguments.strategy,
        seed=arguments.seed,
        out=Path(arguments.out).expanduser(),
        tuning=tuning,
        device=arguments.device,
        usl=usl_of(arguments.usl, None if settings is None else settings.dataset),
        average_views=arguments.average_views,
        given=path_of(arguments.given),
    )
    return show(select_images(order, settings))


def propagate_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext propagate`."""
    command.add_argument(
        "--selected", metavar="FILE", help="selected.json, or a run's labelled.json"
    )
    command.add_argument(
        "--labels", metavar="FILE", help="a CSV id,class; without it the data set's own classes"
    )
    command.add_argument(
        "--clusters",
        type=int,
        nargs="+",
        metavar="K",
        help="of each run (1 to 6 times the classes)",
    )
    _as_setting(command, "as3l_method", "how labels spread")
    _as_setting(
        command,
        "as3l_seeding",
        "clusters with labels: as many as there are labels for, or one a class",
    )
    _as_setting(command, "as3l_normaliser", "votes divided by their sum, or by the number of runs")
    add_feature_flags(command)
    add_data_flags(command)


def run_propagate(arguments: argparse.Namespace, show: Show) -> int:
    """Spread and write; gives the exit code.

    Raises:
        SettingsError: a flag out of range, labels that are wrong, or files that do not fit each other.
        DataMissing: files that are not there or cannot be used.
    """
    check_counts(arguments)
    settings = data_settings(arguments)
    tuning = tuning_of(arguments)
    from usb_ext.as3l.propagate.stage import PropagateOrder, propagate_labels

    order = PropagateOrder(
        features=Path(arguments.features).expanduser(),
        selected=path_of(arguments.selected),
        labels=path_of(arguments.labels),
        clusters=tuple(arguments.clusters) if arguments.clusters else None,
        method=arguments.method,
        split=arguments.seeding == "split",
        normaliser=arguments.normaliser,
        seed=arguments.seed,
        out=Path(arguments.out).expanduser(),
        tuning=tuning,
        device=arguments.device,
    )
    return show(propagate_labels(order, settings))


def tsne_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext tsne`."""
    command.add_argument("--features", required=True, metavar="FILE", help="features.npz")
    command.add_argument(
        "--selected", metavar="FILE", help="selected.json, whose images are marked"
    )
    command.add_argument("--prior", metavar="FILE", help="prior.npz, drawn beside the classes")
    command.add_argument("--out", required=True, metavar="PNG", help="picture to write")
    command.add_argument("--most", type=int, default=5000, help="points at most (5000)")
    command.add_argument("--perplexity", type=float, default=30.0, help="of t-SNE (30)")
    command.add_argument("--seed", type=int, default=0, help="of points and of t-SNE (0)")


def run_tsne(arguments: argparse.Namespace, show: Show) -> int:
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
        features=Path(arguments.features).expanduser(),
        out=Path(arguments.out).expanduser(),
        selected=path_of(arguments.selected),
        prior=path_of(arguments.prior),
        most=arguments.most,
        perplexity=arguments.perplexity,
        seed=arguments.seed,
    )
    return show(tsne(order))


SELECT = Command(select_flags, run_select)
PROPAGATE = Command(propagate_flags, run_propagate)
TSNE = Command(tsne_flags, run_tsne)
