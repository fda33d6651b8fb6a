"""What a benchmark runs on: network, image size, batch, and images made on the spot."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from usb_ext.core.errors import SettingsError


@dataclass(frozen=True)
class Workload:
    """One setting to be timed.

    Attributes:
        net: network by name.
        img_size: side of the images in pixels.
        batch_size: labelled images a step.
        uratio: unlabelled images for each labelled one.
        num_images: unlabelled images in the set.
        optim: SGD or AdamW.
        amp: off, bf16 or fp16.
        channels_last: for our engine and the limit.
        compile: off, default or reduce-overhead, for our engine and the limit.
        steps: timed steps of one segment.
        warm_up: steps before them.
        repeats: segments of each case, interleaved.
    """

    net: str
    img_size: int
    batch_size: int
    uratio: int
    num_images: int = 10_000
    optim: str = "SGD"
    amp: str = "off"
    channels_last: bool = True
    compile: str = "off"
    steps: int = 60
    warm_up: int = 12
    repeats: int = 5

    def settings(self) -> dict[str, Any]:
        """The settings of a run on this workload."""
        return {
            "dataset": "digits", "num_classes": 10, "num_labels": 10, "net": self.net,
            "img_size": self.img_size, "batch_size": self.batch_size, "uratio": self.uratio,
            "optim": self.optim, "lr": 0.03 if self.optim == "SGD" else 5e-4, "amp": self.amp,
            "channels_last": self.channels_last, "compile": self.compile, "epoch": 1,
            "num_train_iter": self.warm_up + self.steps + 1, "num_eval_iter": 10**9,
            "num_log_iter": 10**9, "progress": "off", "ema_m": 0.999, "eval_batch_size": 64,
        }  # fmt: skip


PRESETS = {
    "digits": Workload("wrn_10_1", 16, 8, 7, num_images=1297, steps=100),
    "cifar-wrn": Workload("wrn_28_2", 32, 64, 7, num_images=50_000),
    "cifar-vit": Workload("vit_tiny_patch2_32", 32, 8, 1, num_images=50_000, optim="AdamW"),
}


def workload(preset: str, changed: dict[str, Any]) -> Workload:
    """A preset with some of its values changed.

    Raises:
        SettingsError: for an unknown preset.
    """
    if preset not in PRESETS:
        raise SettingsError(f"preset is {preset!r}; known: {', '.join(PRESETS)}")
    return replace(PRESETS[preset], **{k: v for k, v in changed.items() if v is not None})


def random_images(number: int, size: int, seed: int = 0) -> np.ndarray:
    """Noise of the right shape, (number, size, size, 3) uint8: the work is the same as on photographs."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (number, size, size, 3), dtype=np.uint8)
