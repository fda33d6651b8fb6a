"""`usb-ext bench`: its arguments, and what is done with the report."""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from usb_ext.cli.command import Command, Show
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import write_json, write_text
from usb_ext.core.outputs import check_outputs, claim_outputs

COUNTS = ("img_size", "batch_size", "uratio", "num_images", "steps", "warm_up", "repeats")


def bench_flags(bench: argparse.ArgumentParser) -> None:
    """The arguments of `usb-ext bench`."""
    bench.add_argument(
        "--preset",
        default="digits",
        help="digits, cifar-wrn, cifar-vit; gpu: both of these in each precision, for minutes on a GPU; "
        "selection: selecting and propagating alone; estimators: SemiSupervisedClassifier beside "
        "scikit-learn's own; decode: Pillow, torchvision's decoder and image_cache",
    )
    bench.add_argument(
        "--minutes", type=float, default=9.0, metavar="M", help="gpu: end before so many are over"
    )
    bench.add_argument("--json", metavar="FILE", help="write the report, bench.json")
    bench.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N")
    bench.add_argument("--threads", type=int, help="CPU threads of torch")
    bench.add_argument(
        "--devices", type=int, metavar="W", help="one run on W processes beside one process"
    )
    bench.add_argument("--net", help="another network")
    bench.add_argument("--amp", choices=("off", "bf16", "fp16"))
    bench.add_argument("--compile", choices=("off", "default", "reduce-overhead"))
    bench.add_argument("--ours-only", action="store_true", help="leave USB's own loop out")
    bench.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the process's own CPU seconds: on a machine that others use, with --threads 1",
    )
    bench.add_argument("--parts", action="store_true", help="also where the time of a step goes")
    bench.add_argument(
        "--small",
        action="store_true",
        help="gpu, selection: tiny sizes, on any device; estimators: a few steps",
    )
    bench.add_argument(
        "--features", metavar="DIR", help="estimators: of `usb-ext features` (default: digits)"
    )
    bench.add_argument("--draws", type=int, default=10, metavar="N", help="estimators: of labels")
    bench.add_argument(
        "--labels", type=int, default=40, metavar="N", help="estimators: labelled examples"
    )
    bench.add_argument(
        "--images", metavar="DIR", help="decode: JPEG files below it (default: some are made)"
    )
    bench.add_argument("--csv", metavar="FILE", help="estimators: write a line a fit")
    bench.add_argument("--scale", action="store_true", help="cost as batch, image and set grow")
    bench.add_argument(
        "--per-example", action="store_true", help="per-example gradients: loop, torch.func, ours"
    )
    bench.add_argument(
        "--influence", action="store_true", help="an update of influence weights, by its inverse"
    )
    bench.add_argument(
        "--val-batch", type=int, default=320, metavar="N", help="influence: validation images"
    )
    for name in COUNTS:
        bench.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N")


def run_bench(arguments: argparse.Namespace, show: Show) -> int:
    """Measure, print the table and write the report; gives the exit code.

    Raises:
        SettingsError: a preset, device or precision that is not there, or a count below 1.
    """
    for name in (*COUNTS, "threads", "val_batch", "draws", "labels", "devices"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise SettingsError(f"--{name.replace('_', '-')} is {value}; it must be at least 1")
    for flag in ("--json", "--csv"):
        if (place := getattr(arguments, flag[2:])) is not None:
            path = Path(place).expanduser()
            check_outputs(path.parent, [path.name], flag)
    if arguments.preset == "estimators":
        return _finish(arguments, _estimators(arguments), show)
    if arguments.preset == "decode":
        return _finish(arguments, _decode(arguments), show)
    if arguments.preset == "selection":
        return _finish(arguments, _selection(arguments), show)
    if arguments.preset == "gpu":
        return _finish(arguments, _gpu(arguments), show)
    import torch

    from usb_ext.bench.cases import workload
    from usb_ext.core.runtime import check_precision, resolve_device

    changed = {name: getattr(arguments, name) for name in (*COUNTS, "net", "amp", "compile")}
    load = workload(arguments.preset, {**changed, "cpu_time": arguments.cpu_time})
    device = resolve_device(arguments.device)
    check_precision(load.amp, device)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    if load.cpu_time and (device.type != "cpu" or torch.get_num_threads() > 1):
        raise SettingsError(
            "--cpu-time counts the seconds of one thread on a CPU; use it with --device cpu --threads 1"
        )
    return _finish(arguments, _measure(arguments, load, device), show)


def _selection(arguments: argparse.Namespace) -> dict[str, Any]:
    from usb_ext.bench.selection import bench_selection
    from usb_ext.core.runtime import resolve_device

    device = str(resolve_device(arguments.device))
    return bench_selection(arguments.small, arguments.threads, _progress, device)


def _gpu(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; the file, where there is one, has after each measurement what is done."""
    from usb_ext.bench.gpu import bench_gpu
    from usb_ext.core.runtime import resolve_device

    if not 0 < arguments.minutes < math.inf:
        raise SettingsError(f"--minutes is {arguments.minutes:g}; it must be above 0")
    device = resolve_device(arguments.device)
    return bench_gpu(
        device,
        arguments.minutes,
        lambda report: _keep(arguments, report),
        _progress,
        small=arguments.small,
    )


def _decode(arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    from usb_ext.bench.decoding import bench_decode

    torch.set_num_threads(arguments.threads or 1)
    folder = None if arguments.images is None else Path(arguments.images).expanduser()
    if folder is not None and not folder.is_dir():
        raise DataMissing(f"--images is {arguments.images}, and there is no such folder")
    count, size, repeats = arguments.num_images, arguments.img_size, arguments.repeats
    return bench_decode(folder, count or 200, size or 96, repeats or 5, _progress)


def _estimators(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure, and write a line a fit where that is asked for."""
    from usb_ext.bench.estimators import as_csv, bench_estimators, estimators, examples_of

    if arguments.threads is not None:
        from usb_ext.core.runtime import limit_threads

        limit_threads(arguments.threads)
    folder = None if arguments.features is None else Path(arguments.features).expanduser()
    made = estimators(20 if arguments.small else arguments.steps)
    examples, draws = examples_of(folder), range(arguments.draws)
    report = bench_estimators(examples, arguments.labels, draws, made, _progress)
    if arguments.csv is not None:
        path = Path(arguments.csv).expanduser()
        claim_outputs(path.parent, [path.name], "--csv")
        write_text(path, as_csv(report["rows"]))
    return report


def _finish(arguments: argparse.Namespace, report: dict[str, Any], show: Show) -> int:
    _keep(arguments, report)
    return show(report["table"])


def _keep(arguments: argparse.Namespace, report: dict[str, Any]) -> None:
    """Write the report where it is asked for."""
    report["command"] = " ".join(("usb-ext", *sys.argv[1:]))
    if arguments.json:
        path = Path(arguments.json).expanduser()
        claim_outputs(path.parent, [path.name], "--json")
        write_json(path, report)


def _measure(arguments: argparse.Namespace, load: Any, device: Any) -> dict[str, Any]:
    from usb_ext.bench.influence import influence_times, per_example
    from usb_ext.bench.parts_of_step import scale
    from usb_ext.bench.stage import bench, parts_of_step, table

    if arguments.devices is not None:
        from usb_ext.bench.devices import bench_devices

        return bench_devices(load, device.type, arguments.devices, _progress)
    if arguments.per_example:
        return per_example(load, device, _progress)
    if arguments.influence:
        return influence_times(load, device, arguments.val_batch, _progress)
    if arguments.scale:
        rows = scale(load, str(device), _progress)
        lines = [
            f"{r['varies']} {r['value']}: {r['ms_per_step']} ms, {r['memory_mb']} MiB" for r in rows
        ]
        return {"scale": rows, "table": "\n".join(lines)}
    report = bench(load, device, with_usb=not arguments.ours_only, say=_progress)
    if arguments.parts:
        report["ms_per_part"] = parts_of_step(load, device)
    return {**report, "table": table(report)}


def _progress(line: str) -> None:
    sys.stderr.write(line + "\n")


BENCH = Command(bench_flags, run_bench)
