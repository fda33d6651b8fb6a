"""Per-example gradients of a whole network: one by one, by torch.func, by layers (Ren et al., Sec. 4.4)."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from usb_ext.bench.presets import Workload
from usb_ext.bench.timing import circumstances, over_turns, timed
from usb_ext.functional.per_example_gradients import Method, per_example_gradients
from usb_ext.settings import load_settings
from usb_ext.training.compose import builder

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
