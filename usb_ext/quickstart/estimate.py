"""How long the roads to a model take on this machine, and how much room: from a short measurement."""

import time
from dataclasses import dataclass

import torch

from usb_ext.as3l.frozen.stage import BLOCK
from usb_ext.as3l.pretrain.loop import in_words
from usb_ext.core.runtime import device_name, resolve_device
from usb_ext.data.image_store import MEBIBYTE
from usb_ext.engine.acceleration import memory_format
from usb_ext.engine.network import builder
from usb_ext.settings import Settings

TURNS = 2
"""ours: measured passes after a first one that warms up."""

BACKWARD = 3.0
"""ours: a step forward and backward takes about three times a forward pass."""


@dataclass(frozen=True)
class Estimate:
    """What a network takes.

    Attributes:
        device: its name.
        seconds: of one image, forward.
        dimensions: numbers a feature has.
    """

    device: str
    seconds: float
    dimensions: int

    def features(self, images: int, views: int, tested: int = 0) -> str:
        """Time and room of kept features, in words.

        Args:
            images: training images.
            views: of each, the plain one included.
            tested: test images, of one view.
        """
        rows = images * views + tested
        size = 2 * rows * self.dimensions / MEBIBYTE
        return f"about {in_words(rows * self.seconds)} and {size:.0f} MiB on {self.device}"

    def training(self, settings: Settings) -> str:
        """Time of training the whole network, in words.

        Args:
            settings: with batch, ratio and number of steps.
        """
        s = settings
        rows = s.batch_size * (1 + 2 * s.uratio)
        seconds = s.num_train_iter * rows * BACKWARD * self.seconds
        return f"about {in_words(seconds)} for {s.num_train_iter:,} steps on {self.device}"


@torch.inference_mode()
def measured(settings: Settings) -> Estimate:
    """Measure a network with random weights, which are as fast as any, on the settings' device.

    Args:
        settings: name network, size and device.

    Raises:
        SettingsError: a network that cannot be.
    """
    s, device = settings, resolve_device(settings.device)
    net = builder(s)(num_classes=s.num_classes).eval()
    layout = memory_format(net, s.channels_last)
    net.to(device, memory_format=layout)  # type: ignore[call-overload]
    images = torch.zeros(BLOCK, 3, s.img_size, s.img_size, device=device)
    best = float("inf")
    for _ in range(1 + TURNS):
        began = time.perf_counter()
        found = net(images, only_feat=True).flatten(1)
        found.cpu()
        best = min(best, time.perf_counter() - began)
    return Estimate(device_name(device), best / BLOCK, int(found.shape[1]))
