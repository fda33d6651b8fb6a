"""`usb-ext bench --preset gpu`: what is to be known of a GPU that is there for minutes, most telling first.

Each measurement is a `usb-ext bench` in a process of its own, so that one that runs out of memory or time
takes nothing from the others, and compiled networks and recorded graphs do not meet. What is finished is
written after each.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from usb_ext.bench.cases import circumstances
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import read_json

COMMAND = (sys.executable, "-m", "usb_ext", "bench")

LEAST_SECONDS = 20.0
"""ours: a measurement is not begun with less time than this left."""

STEPS = 204_800
"""Of LayerMatch's runs (Table 7)."""

TARGETS: dict[tuple[str, str], float] = {
    ("wrn bf16", "ours-fixmatch / usb-default"): 15.0,
    ("wrn bf16", "ours-fixmatch / usb-best"): 3.0,
    ("wrn bf16", "ours-layermatch / limit"): 0.9,
    ("vit bf16", "ours-fixmatch / usb-best"): 3.0,
    ("vit bf16", "ours-layermatch / limit"): 1.3,
}
"""ours: what the ratios are meant to reach, by measurement and ratio."""

Write = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Measurement:
    """One `usb-ext bench`.

    Attributes:
        name: of it in the report.
        words: its flags.
    """

    name: str
    words: tuple[str, ...]


WRN, VIT = ("--preset", "cifar-wrn"), ("--preset", "cifar-vit")
WITH_USB = ("--steps", "20", "--warm-up", "5", "--repeats", "3")
OURS = ("--ours-only", "--steps", "60", "--warm-up", "20", "--repeats", "3")
BF16, GRAPHS = ("--amp", "bf16"), ("--compile", "reduce-overhead")

MEASUREMENTS = (
    Measurement("wrn bf16", (*WRN, *WITH_USB, *BF16, "--parts")),
    Measurement("vit bf16", (*VIT, *WITH_USB, *BF16, "--parts")),
    Measurement("wrn bf16 graphs", (*WRN, *OURS, *BF16, *GRAPHS)),
    Measurement("vit bf16 graphs", (*VIT, *OURS, *BF16, *GRAPHS)),
    Measurement("wrn fp32", (*WRN, *OURS)),
    Measurement("vit fp32", (*VIT, *OURS)),
    Measurement("vit fp32 graphs", (*VIT, *OURS, *GRAPHS)),
    Measurement("wrn fp32 graphs", (*WRN, *OURS, *GRAPHS)),
)
"""In the order in which they are taken."""

SMALL = (
    *("--batch-size", "2", "--uratio", "1", "--num-images", "64", "--steps", "1"),
    *("--warm-up", "1", "--repeats", "1", "--threads", "1"),
)
"""Flags that make each tiny, to try the whole on a CPU."""


def bench_gpu(
    device: torch.device,
    minutes: float,
    write: Write,
    say: Callable[[str], None],
    *,
    small: bool = False,
) -> dict[str, Any]:
    """Take the measurements one after the other until the time is up.

    Args:
        device: where.
        minutes: all of it ends before so many are over; a measurement that runs then is stopped.
        write: gets the report after each measurement.
        say: told how far it is.
        small: tiny sizes, on any device.

    Returns:
        The report of each that is done, the reason of each that is not, and a table.

    Raises:
        SettingsError: no CUDA device, and not `small`.
    """
    if device.type != "cuda" and not small:
        raise SettingsError(
            f"preset gpu is for CUDA, and the device is {device}; try it elsewhere with --small"
        )
    end = time.monotonic() + 60 * minutes
    report: dict[str, Any] = {"done": {}, "left": {}, "minutes": minutes, **circumstances(device)}
    for one in MEASUREMENTS:
        left = end - time.monotonic()
        if left < LEAST_SECONDS:
            report["left"][one.name] = "no time was left"
        else:
            say(f"{one.name}: {left:.0f} s left")
            found, why = _measured(one, device, seconds_for(left), small)
            report["left" if found is None else "done"][one.name] = why if found is None else found
        report["targets"] = targets(report["done"])
        report["table"] = table(report)
        write(report)
    return report


def seconds_for(left: float) -> float:
    """What a measurement may take: half of the time that is left, so that one that hangs is not the last.

    Args:
        left: seconds.
    """
    return max(left / 2, LEAST_SECONDS)


def _measured(
    one: Measurement, device: torch.device, seconds: float, small: bool
) -> tuple[dict[str, Any] | None, str]:
    """Its report, or why there is none."""
    with tempfile.TemporaryDirectory(prefix="usb_ext_bench_") as folder:
        place, told = Path(folder) / "bench.json", Path(folder) / "told"
        words = [
            *one.words,
            *(SMALL if small else ()),
            "--device",
            str(device),
            "--json",
            str(place),
        ]
        command = [*COMMAND, *words]
        with told.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None, f"stopped: its {seconds:.0f} s were over"
        finally:
            _end(process)
        if code == 0 and place.is_file():
            found: dict[str, Any] = read_json(place, "a benchmark", "measure again")
            return found, ""
        lines = told.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return None, f"exit code {code}: {lines[-1] if lines else 'nothing was said'}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a measurement with the workers that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def targets(done: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Each ratio that has a target and was measured, and the minutes that LayerMatch's steps would take.

    Args:
        done: reports by measurement.
    """
    rows = []
    for (name, ratio), wanted in TARGETS.items():
        found = done.get(name, {}).get("ratios", {}).get(ratio)
        if found is not None:
            rows.append({"measurement": name, "what": ratio, "wanted": wanted, **found})
    for name, report in done.items():
        rate = report["it_per_s"]["ours-layermatch"]
        minutes = {k: round(STEPS / 60 / rate[v], 2) for k, v in _SLOWEST.items() if rate[v]}
        what = f"minutes for {STEPS:,} steps of LayerMatch"
        rows.append({"measurement": name, "what": what, "wanted": 15.0, **minutes})
    return rows


_SLOWEST = {"median": "median", "min": "max", "max": "min"}
"""The most minutes are those of the fewest steps a second."""


def table(report: dict[str, Any]) -> str:
    """The report as lines for a person.

    Args:
        report: of `bench_gpu`, so far.
    """
    lines = [f"{report['device']}, commit {report['commit']}"]
    for name, found in report["done"].items():
        lines += [name, *(f"  {line}" for line in found["table"].splitlines()[1:])]
    lines += [f"{name}: not measured, {why}" for name, why in report["left"].items()]
    for row in report["targets"]:
        values = f"{row['median']:g} ({row['min']:g}-{row['max']:g})"
        lines.append(f"{row['measurement']}, {row['what']}: {values}, wanted {row['wanted']:g}")
    return "\n".join(lines)
