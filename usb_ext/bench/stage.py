"""The bench stage: USB's loop, ours and the limit, interleaved in one run.

Single measurements on a shared machine wander; so every case runs one stretch of steps in turn, several
times, and medians, spreads and ratios within each turn are reported.

`limits.py` has what they are held against: the bare step over all rows, and over those alone that can matter.
"""

import logging
import os
import resource
from collections.abc import Callable
from typing import Any

import torch

from usb_ext.bench import cases
from usb_ext.bench.cases import RowsSeen, Workload, circumstances, over_turns
from usb_ext.bench.limits import limit, untrained
from usb_ext.bench.parts_of_step import breakdown
from usb_ext.methods.step.independence import why_rows_interact
from usb_ext.methods.step.row_noise import RowNoise, noisy_layers

OURS = ("fixmatch", "freematch", "layermatch")
COMPARED = ("fixmatch", "layermatch")
WITHOUT: dict[str, dict[str, Any]] = {
    "no-saving": {"weak_no_grad": "never", "selected_only": "never"},
    "weak-only": {"selected_only": "never"},
    "selected-only": {"weak_no_grad": "never"},
}
"""Cases of an algorithm with one saving or none, and the settings that switch the others off."""
WORKERS = (0, 1, 2, 4, 8)
LIMIT, DEFAULT, BEST = "limit", "usb-default", "usb-best"
_log = logging.getLogger(__name__)
Segments = dict[str, cases.Segment]


def bench(
    load: Workload,
    device: torch.device,
    *,
    with_usb: bool = True,
    say: Callable[[str], None] = _log.info,
) -> dict[str, Any]:
    """Measure every case of a workload.

    Args:
        load: what runs.
        device: where.
        with_usb: whether USB's own loop is measured too.
        say: told how far the measurement is.

    Returns:
        The content of `bench.json`: steps a second of each case (median, min, max), ratios, peak
        memory, versions and hardware.
    """
    seen = {name: RowsSeen() for name in OURS}
    segments: Segments = {
        f"ours-{name}": cases.ours(load, name, device, watch=seen[name]) for name in OURS
    }
    segments[LIMIT] = limit(load, device)
    segments |= savings_apart(load, device, seen)
    workers = _usb_segments(segments, load, device, say) if with_usb else {}
    rates: dict[str, list[float]] = {name: [] for name in segments}
    for turn in range(load.repeats):
        for name, run in segments.items():
            rates[name].append(run())
        say(f"turn {turn + 1}/{load.repeats}: " + _line(rates, turn))
    return {
        "workload": vars(load),
        "it_per_s": {name: over_turns(values, 3) for name, values in rates.items()},
        "ratios": ratios(rates),
        "rows_per_step": {"all": load.rows, **{f"ours-{n}": s.mean for n, s in seen.items()}},
        "usb_workers": workers,
        "peak_memory_mb": peak_memory_mb(device),
        "cpu_count": os.cpu_count(),
        **circumstances(device),
    }


def savings_apart(load: Workload, device: torch.device, seen: dict[str, RowsSeen]) -> Segments:
    """Cases with each saving alone and with none, and the useful limits, where a step saves anything.

    Args:
        load: what runs.
        device: where.
        seen: of each algorithm of ours, its rows as its own case runs them; before the useful limit does.
    """
    if not rows_are_apart(load, device):
        return {}
    found: Segments = {}
    for name in COMPARED:
        for case, without in WITHOUT.items():
            found[f"ours-{name}-{case}"] = cases.ours(load, name, device, **without)
        found[f"useful-{name}"] = limit(load, device, seen[name])
    return found


def rows_are_apart(load: Workload, device: torch.device) -> bool:
    """Whether the network of a workload treats rows alone, so that a step may leave some out."""
    network = untrained(load, device)
    noise = RowNoise(noisy_layers(network))
    images = torch.randn(4, 3, load.img_size, load.img_size, device=device)
    return not why_rows_interact(network, noise, images)


def _usb_segments(
    segments: Segments, load: Workload, device: torch.device, say: Callable[[str], None]
) -> dict[str, int]:
    """Add USB's loop with its default workers and with the best number, found by trying."""
    tried = {}
    for number in (w for w in WORKERS if w <= 2 * (os.cpu_count() or 1)):
        run = cases.usb(load, device, number)
        tried[number] = (run(), run)
        say(f"USB with {number} + {2 * number} workers: {tried[number][0]:.2f} it/s")
    best = max(tried, key=lambda number: tried[number][0])
    segments[DEFAULT] = tried[1][1]
    segments[BEST] = tried[best][1]
    return {DEFAULT: 1, BEST: best}


def parts_of_step(load: Workload, device: torch.device) -> dict[str, dict[str, float]]:
    """Milliseconds a step by part, for USB's loop (no workers, so that data shows) and ours."""
    return {
        "usb-fixmatch": breakdown(load, cases.build_usb(load, device, 0), device),
        "ours-fixmatch": breakdown(load, cases.build_ours(load, "fixmatch", device), device),
    }


def _line(rates: dict[str, list[float]], turn: int) -> str:
    return ", ".join(f"{name} {values[turn]:.2f}" for name, values in rates.items()) + " it/s"


PAIRS = (
    ("ours-fixmatch", DEFAULT),
    ("ours-fixmatch", BEST),
    ("ours-fixmatch", LIMIT),
    ("ours-layermatch", LIMIT),
    ("ours-layermatch", "ours-fixmatch"),
    ("ours-layermatch", "ours-freematch"),
    *(
        pair
        for name in COMPARED
        for pair in (
            (f"ours-{name}", f"useful-{name}"),
            *(
                (f"ours-{name}{case}", LIMIT)
                for case in ("-no-saving", "-weak-only", "-selected-only")
            ),
            (f"useful-{name}", LIMIT),
        )
    ),
)


def ratios(rates: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Ratios of two cases within each turn, summarised over the turns."""
    found = {}
    for first, second in PAIRS:
        if first in rates and second in rates:
            pairs = zip(rates[first], rates[second], strict=True)
            found[f"{first} / {second}"] = over_turns([a / b for a, b in pairs], 3)
    return found


def peak_memory_mb(device: torch.device) -> dict[str, float]:
    """Peak memory of this process on the host, and on a CUDA device, in MiB."""
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.type == "cuda":
        peak["device"] = torch.cuda.max_memory_allocated(device) / 2**20
    return {name: round(value, 1) for name, value in peak.items()}


def table(report: dict[str, Any]) -> str:
    """The report as a few lines for a person."""
    lines = [f"{report['device']}, {report['workload']['net']}"]
    for name, values in report["it_per_s"].items():
        lines.append(
            f"  {name:18s} {values['median']:9.2f} it/s  ({values['min']}-{values['max']})"
        )
    for name, values in report["ratios"].items():
        lines.append(f"  {name:34s} {values['median']:7.2f}  ({values['min']}-{values['max']})")
    for name, rows in report["rows_per_step"].items():
        lines.append(f"  rows a step with a graph, {name:18s} {rows:.1f}")
    return "\n".join(lines)
