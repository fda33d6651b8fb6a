"""One run on several processes: images a second by their number, and the share of time that talk costs.

Each measurement runs in processes of its own, started by torch's elastic launcher: one process with one
thread, one with as many threads as processes are asked for (on a CPU), and the processes with a thread each.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from usb_ext.bench.cases import Workload, circumstances, ours, over_turns
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.processes import joined, of_all
from usb_ext.core.runtime import resolve_device
from usb_ext.training.together import place_of

ALGORITHM = "layermatch"
EXCHANGES = ("all_gather", "all_reduce", "broadcast")
"""What a training step calls of torch.distributed."""

MEETING = 300.0
"""Seconds that a process waits for the others."""


def bench_devices(
    load: Workload, name: str, number: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure one process and several.

    Args:
        load: what runs; its batch is that of all processes.
        name: `auto`, `cpu` or `cuda`, as the setting `device`.
        number: processes, W > 1.
        say: told how far the measurement is.

    Returns:
        Images a second of each case over the turns, the share of a step's time in exchanges (waiting for
        the slower process is part of it), and a table.

    Raises:
        SettingsError: fewer GPUs than processes, or a batch that is smaller than their number.
        RunFailed: a process ended.
    """
    device = resolve_device(name)
    if device.type == "cuda" and torch.cuda.device_count() < number:
        raise SettingsError(
            f"--devices is {number}, and torch sees {torch.cuda.device_count()} CUDA device(s)"
        )
    if load.batch_size < number:
        raise SettingsError(
            f"--devices is {number} for a batch of {load.batch_size}; use --batch-size {number}"
        )
    cases = {"1 process, 1 thread": (1, 1), f"{number} processes, 1 thread each": (number, 1)}
    if device.type == "cpu":
        cases[f"1 process, {number} threads"] = (1, number)
    rates: dict[str, list[float]] = {case: [] for case in cases}
    shares: dict[str, list[float]] = {case: [] for case in cases}
    for turn in range(load.repeats):
        for case, (processes, threads) in cases.items():
            rate, share = _measured(load, device.type, processes, threads)
            rates[case].append(rate * load.batch_size * (1 + 2 * load.uratio))
            shares[case].append(share)
        found = ", ".join(f"{case} {values[-1]:.0f} img/s" for case, values in rates.items())
        say(f"turn {turn + 1}/{load.repeats}: {found}")
    report = {
        "workload": vars(load),
        "algorithm": ALGORITHM,
        "images_per_s": {case: over_turns(values, 1) for case, values in rates.items()},
        "share_in_exchanges": {case: over_turns(values, 3) for case, values in shares.items()},
        "cpu_count": os.cpu_count(),
        **circumstances(device),
    }
    return {**report, "table": _table(report)}


def _measured(load: Workload, kind: str, processes: int, threads: int) -> tuple[float, float]:
    """Steps a second, and the share of their time in exchanges, of the first of so many processes."""
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=uuid.uuid4().hex, max_restarts=0,
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost",
    )  # fmt: skip
    try:
        found = elastic_launch(config, measure)(load, kind, threads)
    except ChildFailedError as error:
        why = error.get_first_failure()[1].message
        raise RunFailed(f"a process of the measurement ended: {why}") from error
    rate, share = found[0]
    return float(rate), float(share)


def measure(load: Workload, kind: str, threads: int) -> tuple[float, float]:
    """What one process measures.

    Args:
        load: what runs.
        kind: `cpu` or `cuda`.
        threads: of torch.

    Returns:
        Steps a second, and the mean share of the processes' time in exchanges, in [0, 1].
    """
    torch.set_num_threads(threads)
    place, cuda = place_of(os.environ), kind == "cuda"
    meeting: Any = nullcontext()
    if place is not None:
        meeting = joined(place.rank, place.size, place.local, cuda, MEETING)
    with meeting, _clocked() as spent:
        run = ours(load, ALGORITHM, resolve_device(kind))
        spent.clear()
        began = time.perf_counter()
        rate = run()
        share = sum(spent) / (time.perf_counter() - began)
        every = of_all(share)
    return rate, sum(every) / len(every)


@contextmanager
def _clocked() -> Iterator[list[float]]:
    """Inside, the seconds of each exchange are noted; on CUDA those until it is queued alone."""
    spent, before = list[float](), {name: getattr(dist, name) for name in EXCHANGES}

    def clocked(exchange: Callable[..., Any]) -> Callable[..., Any]:
        def act(*words: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return exchange(*words, **named)
            finally:
                spent.append(time.perf_counter() - began)

        return act

    for name, exchange in before.items():
        setattr(dist, name, clocked(exchange))
    try:
        yield spent
    finally:
        for name, exchange in before.items():
            setattr(dist, name, exchange)


def _table(report: dict[str, Any]) -> str:
    lines = [f"{report['device']}, {report['workload']['net']}, {report['algorithm']}"]
    for case, values in report["images_per_s"].items():
        share = 100 * report["share_in_exchanges"][case]["median"]
        spread = f"({values['min']}-{values['max']})"
        lines.append(
            f"  {case:28s} {values['median']:9.1f} img/s  {spread}  {share:4.1f}% in exchanges"
        )
    return "\n".join(lines)
