"""The limits that a network sets: what no engine can beat, on a batch that is on the device.

The bare step goes forward and backward over all rows of a batch, as USB does. The useful limit does so over
the rows that can matter: labelled ones and strong views with a weight; the weak views go forward alone.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.bench.cases import RowsSeen, Segment, Workload, timed
from usb_ext.engine.acceleration import compile_network, likes_channels_last, precision
from usb_ext.engine.network import builder
from usb_ext.settings import load_settings


def untrained(load: Workload, device: torch.device) -> nn.Module:
    """The network of a workload in training mode, on the device."""
    settings = load_settings(load.settings()).settings
    torch.manual_seed(0)
    model: nn.Module = builder(settings)(num_classes=10).to(device).train()
    if load.channels_last and likes_channels_last(model):
        model = model.to(memory_format=torch.channels_last)
    return model


def limit(load: Workload, device: torch.device, seen: RowsSeen | None = None) -> Segment:
    """Forward, backward and optimizer.

    Args:
        load: the workload.
        device: where.
        seen: how many rows a step had a graph for, known when the segment runs: the useful limit. Without it
            all rows have one: the bare step.
    """
    model = untrained(load, device)
    compile_network(model, load.compile, device)
    kind: Any = torch.optim.SGD if load.optim == "SGD" else torch.optim.AdamW
    extra = {"momentum": 0.9, "nesterov": True} if load.optim == "SGD" else {}
    optimizer = kind(model.parameters(), lr=1e-4, fused=True, **extra)
    images = torch.randn(load.rows, 3, load.img_size, load.img_size, device=device)
    labels = torch.arange(load.rows, device=device).remainder(10)
    scaler = torch.amp.GradScaler(device.type, enabled=load.amp == "fp16")

    def step() -> None:
        with precision(load.amp, device):
            useful = load.rows if seen is None else min(load.rows, round(seen.mean))
            loss = F.cross_entropy(model(images[:useful])["logits"], labels[:useful])
            if seen is not None:
                with torch.no_grad():
                    model(images[: load.batch_size * load.uratio])
        torch.autograd.backward(scaler.scale(loss))
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    def run() -> float:
        timed(step, min(load.warm_up, 5), device)
        return load.steps / timed(step, load.steps, device, load.clock)

    return run
