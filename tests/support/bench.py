"""The smallest workload that is measured."""

from dataclasses import replace

import torch

from usb_ext.bench.cases import PRESETS

CPU = torch.device("cpu")
TINY = replace(
    PRESETS["digits"], batch_size=2, uratio=2, num_images=40, steps=3, warm_up=2, repeats=1
)
