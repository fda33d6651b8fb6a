"""Seconds of an update of influence weights, by what stands for H^-1 (Ren et al., 2020, Sec. 4.4).

Every case trains on our engine and updates after each step; the update is timed where it runs. The paper
computes Luketina et al.'s identity from a table of per-example gradients; we take one forward-mode pass
instead, so the table is timed beside it, on the same network and batch.

Per-example gradients of a whole network: one by one, by torch.func, by layers (Ren et al., Sec. 4.4).
"""

import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from usb_ext.bench.cases import (
    StopWatch,
    Workload,
    build_ours,
    circumstances,
    finish,
    over_turns,
    run_once,
    timed,
)
from usb_ext.engine.engine import Engine
from usb_ext.engine.network import builder
from usb_ext.methods.influence.hook import WEIGHTING_HOOK
from usb_ext.methods.influence.per_example.gradients import Method, per_example_gradients
from usb_ext.settings import load_settings

CASES: dict[str, dict[str, str]] = {
    "exact, last layer": {"influence_inverse": "exact"},
    "conjugate gradients, last layer": {"influence_inverse": "cg"},
    "identity, last layer": {"influence_inverse": "identity", "influence_params": "head"},
    "identity, whole network": {"influence_inverse": "identity", "influence_params": "network"},
    "Neumann, last block": {"influence_inverse": "neumann", "influence_params": "last_block"},
}
FIRST = next(iter(CASES))
TABLE = "identity, whole network, by gradient table"
PAPER_N = 100


def influence_times(
    load: Workload, device: torch.device, validation: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Seconds of an update and of a training step of UDA, in turns that take every case once.

    Args:
        load: network, image size and batch; `steps` updates a turn, `repeats` turns.
        device: where.
        validation: images of the validation batch.
        say: told after each turn.

    Returns:
        Per case the seconds of an update and of a step (median, min, max over the turns), the update's
        share of 100 steps, versions, hardware and a table.
    """
    runs = {name: _Case(load, device, validation, given) for name, given in CASES.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in (*runs, TABLE)}
    for turn in range(load.repeats):
        for name, run in runs.items():
            seconds[name].append(run())
        step = seconds[FIRST][-1][1]
        table = statistics.median(_table_seconds(runs[FIRST].made, load, device, validation))
        seconds[TABLE].append((table, step))
        line = ", ".join(f"{name} {values[-1][0]:.4f}" for name, values in seconds.items())
        say(f"turn {turn + 1}/{load.repeats}: {line} s, a step {step:.4f} s")
    report: dict[str, Any] = {
        "workload": {**vars(load), "validation_batch": validation},
        "update_s": {name: over_turns([u for u, _ in rows]) for name, rows in seconds.items()},
        "step_s": {name: over_turns([s for _, s in rows]) for name, rows in seconds.items()},
        "extra_percent_at_100": {
            name: over_turns([100 * u / (PAPER_N * s) for u, s in rows])
            for name, rows in seconds.items()
        },
        **circumstances(device),
    }
    return {**report, "table": _page(report)}


class _Case:
    """UDA with an update after every step; a call gives the seconds of an update and of a step."""

    def __init__(
        self, load: Workload, device: torch.device, validation: int, given: dict[str, str]
    ) -> None:
        own: dict[str, Any] = {"num_val": validation, "influence_val_batch": validation, **given}
        self.made = build_ours(load, "influence_uda", device, influence_every=1, **own)
        self.load, self.device = load, device
        self.watch = StopWatch(load.warm_up, load.warm_up + load.steps, device)
        self.made.register_hook(self.watch, "StopWatch", "VERY_LOW")
        self.hook = self.made.hooks_dict[WEIGHTING_HOOK]
        self._first = self.hook.state_dict()
        self._update, self.hook.update = self.hook.update, self._timed
        self._spent: list[float] = []

    def _timed(self, *args: Any) -> None:
        self._spent.append(timed(lambda: self._update(*args), 1, self.device))

    def __call__(self) -> tuple[float, float]:
        self._spent.clear()
        self.hook.load_state_dict(self._first)
        run_once(self.made, self.device)
        spent = self._spent[self.load.warm_up : self.load.warm_up + self.load.steps]
        return statistics.median(spent), (self.watch.seconds - sum(spent)) / self.load.steps


def _table_seconds(
    made: Engine, load: Workload, device: torch.device, validation: int
) -> list[float]:
    """Seconds of g_V^T g_u for all u through all gradients g_u of the network: (U,) numbers."""
    net = made.model.eval()
    size = (3, load.img_size, load.img_size)
    count = load.batch_size * load.uratio
    rows = [torch.randn(n, *size, device=device) for n in (count, validation)]
    labels = [torch.arange(len(part), device=device).remainder(10) for part in rows]
    named = {n: p for n, p in net.named_parameters() if p.requires_grad}

    def losses(network: Any, examples: Any) -> torch.Tensor:
        return F.cross_entropy(network(examples[0])["logits"], examples[1], reduction="none")

    def once() -> None:
        held_out = losses(net, (rows[1], labels[1])).mean()
        direction = torch.autograd.grad(held_out, list(named.values()), materialize_grads=True)
        found = per_example_gradients(net, losses, (rows[0], labels[0]))
        parts = zip(named, direction, strict=True)
        torch.stack([found[n].flatten(1) @ d.flatten() for n, d in parts]).sum(0)

    finish(device)
    seconds = [timed(once, 1, device) for _ in range(load.steps)]
    net.train()
    return seconds


def _page(report: dict[str, Any]) -> str:
    load = report["workload"]
    batch = f"{load['batch_size']} + {load['batch_size'] * load['uratio']}"
    lines = [
        f"{report['device']}, {load['net']}, batch {batch}, validation {load['validation_batch']}: "
        f"seconds of an update, and its share of {PAPER_N} steps"
    ]
    for name, seconds in report["update_s"].items():
        share = report["extra_percent_at_100"][name]["median"]
        spread = f"({seconds['min']}-{seconds['max']})"
        lines.append(f"  {name:44s} {seconds['median']:9.4f} s {spread:20s} {share:7.3f} %")
    step = report["step_s"][FIRST]
    lines.append(f"  {'a training step':44s} {step['median']:9.4f} s ({step['min']}-{step['max']})")
    return "\n".join(lines)


PASS = "batch gradient"
METHODS: tuple[Method, ...] = ("loop", "func", "layers")
NAMES: dict[str, str] = {"loop": "serial loop", "func": "torch.func", "layers": "by layers"}


def per_example(load: Workload, device: torch.device, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds for the gradients of `batch_size` examples, in turns that take every method once.

    The plain gradient of the batch, summed over its examples, is timed beside them: no method on the same
    device can be much faster than that.

    Args:
        load: network, image size, batch size, `repeats` turns; weights and images are random.
        device: where.
        say: told after each turn.

    Returns:
        Seconds of each method (median, min, max), ratios to the serial loop within each turn, and a table.
    """
    run = _cases(load, device)
    for step in (run[NAMES["layers"]], run[PASS]):  # first calls load libraries
        step()
    seconds: dict[str, list[float]] = {name: [] for name in run}
    for turn in range(load.repeats):
        for name, step in run.items():
            seconds[name].append(timed(step, 1, device))
        line = ", ".join(f"{name} {values[-1]:.3f}" for name, values in seconds.items())
        say(f"turn {turn + 1}/{load.repeats}: {line} s")
    loop = seconds[NAMES["loop"]]
    report: dict[str, Any] = {
        "workload": vars(load),
        "seconds": {name: over_turns(values) for name, values in seconds.items()},
        "times_faster": {
            name: over_turns([a / b for a, b in zip(loop, values, strict=True)])
            for name, values in seconds.items()
        },
        **circumstances(device),
    }
    return {**report, "table": _table(report)}


def _cases(load: Workload, device: torch.device) -> dict[str, Callable[[], None]]:
    torch.manual_seed(0)
    net = builder(load_settings(load.settings()).settings)(num_classes=10).to(device).eval()
    images = torch.randn(load.batch_size, 3, load.img_size, load.img_size, device=device)
    batch = (images, torch.arange(load.batch_size, device=device).remainder(10))
    inputs = [p for p in net.parameters() if p.requires_grad]

    def losses(network: Any, examples: Any) -> torch.Tensor:
        return F.cross_entropy(network(examples[0])["logits"], examples[1], reduction="none")

    def one_pass() -> None:
        torch.autograd.grad(losses(net, batch).sum(), inputs, allow_unused=True)

    def by(method: Method) -> Callable[[], None]:
        return lambda: _drop(per_example_gradients(net, losses, batch, method=method))

    return {**{NAMES[method]: by(method) for method in METHODS}, PASS: one_pass}


def _drop(_: object) -> None:
    """Nothing is kept: the next method starts with the same memory."""


def _table(report: dict[str, Any]) -> str:
    load = report["workload"]
    lines = [f"{report['device']}, {load['net']}, {load['batch_size']} examples"]
    for name, seconds in report["seconds"].items():
        faster = report["times_faster"][name]["median"]
        spread = f"({seconds['min']}-{seconds['max']})"
        lines.append(
            f"  {name:16s} {seconds['median']:9.3f} s {spread:20s} {faster:6.2f} x the loop"
        )
    return "\n".join(lines)
