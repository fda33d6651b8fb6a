"""The bench stage: USB's loop, ours and the limit, interleaved in one run.

Single measurements on a shared machine wander; so every case runs one stretch of steps in turn, several
times, and medians, spreads and ratios within each turn are reported.

The limit that a network sets: forward, backward and optimizer on a batch that is on the device.
"""

import logging
import os
import resource
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from usb_ext.bench import cases
from usb_ext.bench.cases import Segment, Workload, circumstances, over_turns, timed
from usb_ext.bench.parts_of_step import breakdown
from usb_ext.engine.acceleration import compile_network, likes_channels_last
from usb_ext.engine.network import builder
from usb_ext.settings import load_settings


def limit(load: Workload, device: torch.device) -> Segment:
    """Forward, backward and optimizer on one batch that is on the device: what no engine can beat."""
    settings = load_settings(load.settings()).settings
    torch.manual_seed(0)
    model = builder(settings)(num_classes=10).to(device).train()
    if load.channels_last and likes_channels_last(model):
        model = model.to(memory_format=torch.channels_last)
    compile_network(model, load.compile, device)
    kind: Any = torch.optim.SGD if load.optim == "SGD" else torch.optim.AdamW
    extra = {"momentum": 0.9, "nesterov": True} if load.optim == "SGD" else {}
    optimizer = kind(model.parameters(), lr=1e-4, fused=True, **extra)
    rows = load.batch_size * (1 + 2 * load.uratio)
    images = torch.randn(rows, 3, load.img_size, load.img_size, device=device)
    labels = torch.arange(rows, device=device).remainder(10)
    scaler = torch.amp.GradScaler(device.type, enabled=load.amp == "fp16")
    dtype = torch.float16 if load.amp == "fp16" else torch.bfloat16

    def step() -> None:
        with torch.autocast(device.type, dtype=dtype, enabled=load.amp != "off"):
            loss = F.cross_entropy(model(images)["logits"], labels)
        torch.autograd.backward(scaler.scale(loss))
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    def run() -> float:
        timed(step, min(load.warm_up, 5), device)
        return load.steps / timed(step, load.steps, device)

    return run


OURS = ("fixmatch", "freematch", "layermatch")
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
    segments: Segments = {f"ours-{name}": cases.ours(load, name, device) for name in OURS}
    segments[LIMIT] = limit(load, device)
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
        "usb_workers": workers,
        "peak_memory_mb": peak_memory_mb(device),
        "cpu_count": os.cpu_count(),
        **circumstances(device),
    }


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
    return "\n".join(lines)
