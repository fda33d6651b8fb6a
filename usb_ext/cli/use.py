"""`usb-ext predict`, `evaluate`, `export`, `report`: the commands that use a finished run."""

import argparse
from pathlib import Path

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder, check_is_run
from usb_ext.core.outputs import check_new
from usb_ext.settings import load_settings

WHICH = ("latest", "best", "previous")
FORMATS = ("onnx", "torch", "safetensors")


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", metavar="RUN", help="the run's folder, save_dir/save_name")
    command.add_argument(
        "--which",
        choices=WHICH,
        default="latest",
        help="checkpoint: the newest, the best on the evaluation split, or the one before (latest)",
    )
    _add_plugin(command)


def _add_plugin(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--plugin", metavar="FILE.py", help="the run's plugin, where it does not lie where it lay"
    )


def _add_overwrite(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--overwrite", action="store_true", help="replace what the command wrote before"
    )


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N (auto)")
    command.add_argument("--batch-size", type=int, metavar="N", help="images at once")
    command.add_argument("--threads", type=int, metavar="N", help="CPU threads")


def _check_out(arguments: argparse.Namespace) -> None:
    """Refuse a file that is there, before torch is imported.

    Raises:
        SettingsError: as in `check_new`.
    """
    path = _path(arguments.out)
    check_new(path.parent, [path.name], overwrite=arguments.overwrite)


def _check_run(arguments: argparse.Namespace) -> None:
    """Refuse what is no run's folder, before torch is imported.

    Raises:
        DataMissing: as in `check_is_run`.
    """
    check_is_run(RunFolder(_path(arguments.folder)))


def _prepare(arguments: argparse.Namespace) -> None:
    """Refuse numbers and a device that are none, and limit the threads.

    Raises:
        SettingsError: with the flag, the value and what is allowed.
    """
    for name in ("batch_size", "threads", "most"):
        value = getattr(arguments, name, None)
        if value is not None and value < 1:
            flag = name.replace("_", "-")
            raise SettingsError(f"--{flag} is {value}; it must be at least 1")
    load_settings({"device": arguments.device})
    if arguments.threads is not None:
        from usb_ext.core.runtime import limit_threads

        limit_threads(arguments.threads)


def _given(arguments: argparse.Namespace, *names: str) -> dict[str, int]:
    """The numbers that were given; the others keep the defaults of what is called."""
    values = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _path(text: str) -> Path:
    return Path(text).expanduser()


def predict_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext predict`."""
    _add_run(command)
    command.add_argument(
        "paths", nargs="+", metavar="PATH", help="image files, or folders of them at any depth"
    )
    command.add_argument(
        "--out", default="predictions.csv", metavar="FILE", help="(predictions.csv)"
    )
    command.add_argument(
        "--sort-into",
        metavar="DIR",
        help="also copy each image into DIR/<class>/; nothing is replaced",
    )
    _add_device(command)
    _add_overwrite(command)


def run_predict(arguments: argparse.Namespace, show: Show) -> int:
    """Predict and write; gives the exit code.

    Raises:
        SettingsError, DataMissing: as in `serving.predict`.
    """
    _check_run(arguments)
    _check_out(arguments)
    _prepare(arguments)
    from usb_ext.serving.predict import PredictOrder, predict_images

    order = PredictOrder(
        run=_path(arguments.folder),
        places=arguments.paths,
        out=_path(arguments.out),
        which=arguments.which,
        device=arguments.device,
        **_given(arguments, "batch_size"),
        sort_into=None if arguments.sort_into is None else _path(arguments.sort_into),
        overwrite=arguments.overwrite,
        plugin=arguments.plugin,
    )
    return show("\n".join(predict_images(order)))


def evaluate_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext evaluate`."""
    _add_run(command)
    command.add_argument(
        "images", metavar="DIR", nargs="?", help="images in DIR/<class>/*, or with --labels any"
    )
    command.add_argument("--labels", metavar="FILE", help="a CSV file name,class")
    command.add_argument(
        "--check",
        metavar="FILE",
        help="in place of DIR: the random images of `usb-ext label RUN --check N`, from here or in RUN",
    )
    command.add_argument("--out", default="evaluation", metavar="DIR", help="folder (evaluation)")
    _add_device(command)
    _add_overwrite(command)


def run_evaluate(arguments: argparse.Namespace, show: Show) -> int:
    """Measure and write; gives the exit code.

    Raises:
        SettingsError, DataMissing: as in `serving.evaluate`.
    """
    _check_run(arguments)
    if (arguments.images is None) is (arguments.check is None) or (
        arguments.check is not None and arguments.labels is not None
    ):
        raise SettingsError(
            "evaluate needs DIR (images in DIR/<class>/*, or --labels FILE), or else --check FILE"
        )
    _prepare(arguments)
    from usb_ext.serving.evaluate import EvaluateOrder, evaluate_run

    order = EvaluateOrder(
        run=_path(arguments.folder),
        images=None if arguments.images is None else _path(arguments.images),
        check=None if arguments.check is None else _path(arguments.check),
        out=_path(arguments.out),
        labels=None if arguments.labels is None else _path(arguments.labels),
        which=arguments.which,
        device=arguments.device,
        **_given(arguments, "batch_size"),
        overwrite=arguments.overwrite,
        plugin=arguments.plugin,
    )
    return show("\n".join(evaluate_run(order)))


def export_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext export`."""
    _add_run(command)
    command.add_argument("--format", required=True, choices=FORMATS)
    command.add_argument("--out", required=True, metavar="FILE")
    _add_overwrite(command)


def run_export(arguments: argparse.Namespace, show: Show) -> int:
    """Export, compare and keep; gives the exit code.

    Raises:
        SettingsError, DataMissing, RunFailed: as in `serving.export`.
    """
    _check_run(arguments)
    _check_out(arguments)
    from usb_ext.serving.export import ExportOrder, export_run

    order = ExportOrder(
        _path(arguments.folder), arguments.format, _path(arguments.out), arguments.which,
        arguments.overwrite, arguments.plugin,
    )  # fmt: skip
    return show("\n".join(export_run(order)))


def report_flags(command: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext report`."""
    command.add_argument(
        "place", metavar="PLACE", help="a run's folder, or that of a comparison (compare --out)"
    )
    command.add_argument("--out", default="report.html", metavar="FILE", help="(report.html)")
    command.add_argument(
        "--images",
        metavar="DIR",
        help="measure the run on DIR/<class>/* instead of on its own evaluation split",
    )
    command.add_argument("--most", type=int, metavar="N", help="images in each gallery")
    _add_plugin(command)
    _add_device(command)
    _add_overwrite(command)


def run_report(arguments: argparse.Namespace, show: Show) -> int:
    """Write the page; gives the exit code.

    Raises:
        SettingsError, DataMissing: as in `reporting.stage`.
    """
    if not _path(arguments.place).exists():
        check_is_run(RunFolder(_path(arguments.place)), ", or that of a comparison")
    _check_out(arguments)
    _prepare(arguments)
    from usb_ext.reporting.stage import ReportOrder, write_report

    order = ReportOrder(
        place=_path(arguments.place),
        out=_path(arguments.out),
        images=None if arguments.images is None else _path(arguments.images),
        device=arguments.device,
        **_given(arguments, "most", "batch_size"),
        overwrite=arguments.overwrite,
        plugin=arguments.plugin,
    )
    return show("\n".join(write_report(order)))


PREDICT = Command(predict_flags, run_predict)
EVALUATE = Command(evaluate_flags, run_evaluate)
EXPORT = Command(export_flags, run_export)
REPORT = Command(report_flags, run_report)
