"""`usb-ext label`: the page on which a person gives images their classes."""

import argparse
from pathlib import Path

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder


def label_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext label`."""
    command.add_argument(
        "place",
        metavar="CSV|DIR|RUN",
        help="to_label.csv of `usb-ext select`, a folder of images, or with --check a run's folder",
    )
    command.add_argument(
        "--images", metavar="DIR", help="the folder that the CSV's names are relative to"
    )
    command.add_argument("--classes", nargs="+", default=(), metavar="NAME", help="their names")
    command.add_argument(
        "--out", metavar="CSV", help="for a folder of images: where answers go (labels.csv)"
    )
    command.add_argument(
        "--check",
        type=int,
        metavar="N",
        help="ask for N images by chance, to measure a model with `usb-ext evaluate --check` (check.csv, "
        "of a run in its folder)",
    )
    command.add_argument(
        "--except",
        dest="without",
        metavar="CSV",
        help="with --check: the labels of training, whose images are not drawn",
    )
    command.add_argument("--seed", type=int, default=0, help="of that draw (0)")
    command.add_argument("--port", type=int, default=0, metavar="N", help="(any that is free)")
    command.add_argument("--no-browser", action="store_true", help="show the address alone")
    command.add_argument(
        "--import",
        dest="taken",
        metavar="FILE",
        help="take answers from a CSV name,class or Label Studio's JSON, and end",
    )
    command.add_argument(
        "--export",
        metavar="FILE",
        help="write the answers to a new .csv or, for Label Studio, .json, and end",
    )


def run_label(arguments: argparse.Namespace, show: Show) -> int:
    """Serve the page until it is done; gives the exit code.

    Raises:
        SettingsError, DataMissing, RunFailed: as in `labelling.stage`.
    """
    place = Path(arguments.place).expanduser()
    if arguments.seed < 0:
        raise SettingsError(f"--seed is {arguments.seed}; it must be at least 0")
    if arguments.without and arguments.check is None:
        raise SettingsError("--except names labels that --check leaves out; give --check N")
    if not place.exists():
        raise DataMissing(
            f"{place} does not exist; name a CSV of `usb-ext select`, or a folder of images"
        )
    table, images = _asked(arguments, place)
    if arguments.taken or arguments.export:
        return show(_exchange(arguments, table))
    _check_extra()
    from usb_ext.labelling.stage import label

    done = label(
        table,
        images,
        arguments.classes,
        port=arguments.port,
        open_browser=not arguments.no_browser,
        say=show,
    )
    show(f"{done.labelled} of {done.images} images labelled: {table}")
    return show(_next(arguments, place, table, done.labelled))


def _next(arguments: argparse.Namespace, place: Path, table: Path, labelled: int) -> str:
    """The next command."""
    if arguments.check is not None:
        run = place if _is_run(place) else "RUN"
        return f"next: usb-ext evaluate {run} --check {table}"
    return f"next: usb-ext train --c FILE --label_split file --label_file {table} --num_labels {labelled}"


def _is_run(place: Path) -> bool:
    return RunFolder(place).config.is_file()


def _asked(arguments: argparse.Namespace, place: Path) -> tuple[Path, Path]:
    """The CSV, made where a folder is named, and the folder of the images."""
    if place.is_file():
        if arguments.images is None:
            raise SettingsError(
                f"--images DIR is missing: the folder that the names in {place} are in"
            )
        return place, Path(arguments.images).expanduser()
    if _is_run(place):
        return _of_run(arguments, RunFolder(place))
    checks = arguments.check is not None
    table = Path(arguments.out or ("check.csv" if checks else "labels.csv")).expanduser()
    if not table.exists():
        _new(arguments, place, table)
    return table, place


def _new(arguments: argparse.Namespace, folder: Path, table: Path) -> None:
    """A CSV of all images of a folder, or of those that are drawn for a check."""
    from usb_ext.data.folder_scan import scan_folder
    from usb_ext.labelling.check import draw_check
    from usb_ext.labelling.table import new_table

    if arguments.check is None:
        new_table(table, scan_folder(folder, test="none", need_classes=False).train.names)
    else:
        draw_check(table, folder, arguments.check, arguments.seed, _without(arguments))


def _without(arguments: argparse.Namespace) -> list[str]:
    """Names that `--except` gives a class."""
    from usb_ext.data.label_csv import label_rows

    rows = label_rows(Path(arguments.without).expanduser()) if arguments.without else []
    return [row.file_name for row in rows if row.has_label]


def _of_run(arguments: argparse.Namespace, run: RunFolder) -> tuple[Path, Path]:
    """The check in a run's folder, drawn where it is not there, and the folder of its images.

    Raises:
        SettingsError: no --check, a run whose images are no files, or as in `draw_check`.
    """
    if arguments.check is None:
        raise SettingsError(f"{run.path} is a run; draw images to measure it on with --check N")
    from usb_ext.data.model_file import read_interface
    from usb_ext.labelling.check import CHECK, draw_check, read_check, trained_on
    from usb_ext.training.load import settings_of_run

    settings = settings_of_run(run)
    table = run.path / CHECK if arguments.out is None else Path(arguments.out).expanduser()
    arguments.classes = arguments.classes or read_interface(run, settings).classes
    if table.exists():
        return table, read_check(table).images
    if arguments.images is None and settings.dataset != "imagefolder":
        raise SettingsError(f"--images DIR is missing: the folder of the images of {run.path}")
    images = Path(arguments.images or settings.data_dir).expanduser()
    labelled = _without(arguments) if arguments.without else trained_on(run, settings)
    draw_check(table, images, arguments.check, arguments.seed, labelled)
    return table, images


def _check_extra() -> None:
    """The packages that serve the page.

    Raises:
        DataMissing: they are not installed.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise DataMissing(f'the page needs {error.name}; pip install "usb_ext[label]"') from error


def _exchange(arguments: argparse.Namespace, path: Path) -> str:
    """Take answers from a file, or write them to one."""
    from usb_ext.labelling.exchange import give_answers, take_answers
    from usb_ext.labelling.table import open_table

    table = open_table(path, arguments.classes)
    if arguments.export:
        out = Path(arguments.export).expanduser()
        give_answers(table, out)
        return f"{table.labelled} of {len(table.rows)} images labelled: {out}"
    taken = take_answers(table, Path(arguments.taken).expanduser())
    answers = "1 answer" if taken == 1 else f"{taken} answers"
    return f"{answers} taken, {table.labelled} of {len(table.rows)} images labelled: {path}"


LABEL = Command(label_flags, run_label)
