"""The limit that a network sets: forward, backward and optimizer on a batch that is on the device."""

from typing import Any

import torch
import torch.nn.functional as F

from usb_ext.bench.cases import Segment
from usb_ext.bench.presets import Workload
from usb_ext.bench.timing import timed
from usb_ext.engine.acceleration import compile_network, likes_channels_last
from usb_ext.settings import load_settings
from usb_ext.training.compose import builder


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
