"""`usb-ext inspect`, `start`: from a folder of photographs to a model in use."""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.shipped import settings_file

FROZEN = {"net": str, "pretrain_path": str, "img_size": int, "device": str, "num_threads": int}
"""Settings of the frozen network that are flags here."""


def _add_frozen(command: argparse.ArgumentParser) -> None:
    for name, kind in FROZEN.items():
        flags = sorted({f"--{name}", f"--{name.replace('_', '-')}"}, reverse=True)
        text = f"the setting {name} of the frozen network (that of folder_features.yaml)"
        command.add_argument(*flags, dest=name, type=kind, help=text)
    command.add_argument("--weak", type=int, default=4, help="weak views of each image (4)")
    command.add_argument("--strong", type=int, default=8, help="strong views of each image (8)")


def _frozen(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that were given.

    Raises:
        SettingsError: a number of views below 1.
    """
    for name in ("weak", "strong"):
        if getattr(arguments, name) < 1:
            raise SettingsError(f"--{name} is {getattr(arguments, name)}; it must be at least 1")
    return {name: v for name in FROZEN if (v := getattr(arguments, name)) is not None}


def inspect_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext inspect`."""
    command.add_argument("folder", metavar="DIR", help="a folder of images")
    command.add_argument("--json", action="store_true", help="print everything as JSON")
    command.add_argument(
        "--bad",
        metavar="FILE",
        help="also write bad files and reasons there, such as bad_files.txt",
    )
    _add_frozen(command)


def run_inspect(arguments: argparse.Namespace, show: Show) -> int:
    """Look, and say what the roads to a model would take; gives the exit code.

    Raises:
        SettingsError: a network that cannot be.
        DataMissing: no folder, or no image in it.
    """
    folder = Path(arguments.folder).expanduser()
    given = {"num_classes": 10, "data_dir": str(folder), **_frozen(arguments)}
    values = {**given, "use_pretrain": False, "pretrain_path": None}  # random weights are as fast
    settings = load_settings(settings_file("folder_features"), values).settings
    from usb_ext.core.files import write_text
    from usb_ext.quickstart.inspection import inspect_folder, listed_bad, told

    if arguments.bad is not None and Path(arguments.bad).exists():
        raise SettingsError(f"--bad is {arguments.bad}, which is there; name a new file")
    seen = inspect_folder(folder)
    if arguments.bad is not None:
        write_text(Path(arguments.bad), listed_bad(seen))
    if arguments.json:
        return show(json.dumps(seen.as_json(), indent=1))
    show("\n".join(told(seen)))
    from usb_ext.quickstart.estimate import measured

    found = measured(settings)
    views = 1 + arguments.weak + arguments.strong
    show(
        f"features of {settings.net} at {settings.img_size} pixels, {views} views: "
        f"{found.features(seen.training, views, seen.tested)}; training on them takes a minute or two"
    )
    whole = load_settings(settings_file("folder_40_gpu"), values).settings
    show(f"training all of that network instead: {found.training(whole)}")
    names = " ".join(seen.scan.classes[:5]) or "NAME NAME"
    labels = "--labels folders" if seen.scan.classes else f"--classes {names}"
    return show(f"next: usb-ext start {folder} {labels} --budget 40")


def start_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext start`."""
    command.add_argument("folder", metavar="DIR", help="a folder of images")
    command.add_argument("--classes", nargs="+", default=(), metavar="NAME", help="their names")
    command.add_argument("--budget", type=int, default=40, metavar="N", help="images to label (40)")
    command.add_argument(
        "--labels",
        choices=("asked", "folders"),
        default="asked",
        help="asked of you, or taken from the folders DIR/train/<class>/ (asked)",
    )
    command.add_argument("--out", metavar="DIR", help="(saved_models/start_NAME-OF-DIR)")
    command.add_argument(
        "--c", default="folder_40_cpu", metavar="FILE", help="settings of training (folder_40_cpu)"
    )
    command.add_argument("--seed", type=int, default=0, help="of choice and training (0)")
    command.add_argument(
        "--no-page",
        action="store_true",
        help="stop at the CSV in place of opening the labelling page",
    )
    command.add_argument("--no-browser", action="store_true", help="show the page's address alone")
    _add_frozen(command)


def run_start(arguments: argparse.Namespace, show: Show) -> int:
    """Take the steps that are missing; gives the exit code.

    Raises:
        SettingsError, DataMissing, RunFailed, Interrupted: as in `quickstart.start`.
    """
    frozen = _frozen(arguments)
    if arguments.seed < 0:
        raise SettingsError(f"--seed is {arguments.seed}; it must be at least 0")
    load_settings(settings_file(arguments.c), {})
    folder = Path(arguments.folder).expanduser()
    name = folder.resolve().name or "folder"
    out = Path(arguments.out or f"saved_models/start_{name}").expanduser()
    from usb_ext.quickstart.start import StartOrder, start

    order = StartOrder(
        folder=folder,
        out=out,
        classes=tuple(arguments.classes),
        budget=arguments.budget,
        config=arguments.c,
        frozen=frozen,
        weak=arguments.weak,
        strong=arguments.strong,
        labels=arguments.labels,
        seed=arguments.seed,
    )
    start(order, show, None if arguments.no_page else partial(_ask, show, not arguments.no_browser))
    return 0


def _ask(show: Show, browser: bool, table: Path, images: Path, classes: Sequence[str]) -> None:
    """Let the person label, where the page's packages are installed."""
    try:
        from usb_ext.labelling.stage import label
    except ImportError as error:
        show(f'no labelling page, {error.name} is missing: pip install "usb_ext[label]"')
        return
    label(table, images, classes, open_browser=browser, new_classes=False, say=show)


INSPECT = Command(inspect_flags, run_inspect)
START = Command(start_flags, run_start)
