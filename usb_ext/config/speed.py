"""Settings of speed: they change how fast a run goes, and its numbers by rounding at most.

`augment` is the exception: both ways draw from the same distribution of views, but not the same views.
"""

from typing import ClassVar, Literal

from pydantic import Field

from usb_ext.config.kinds import Whole
from usb_ext.settings.group import SettingsGroup


class SpeedSettings(SettingsGroup):
    """How images are augmented and how the network is run."""

    heading: ClassVar[str] = "Speed"

    augment: Literal["usb", "batched"] = Field(
        default="usb",
        description="Who makes the views: usb is USB's own pipeline, image by image with Pillow in "
        "worker processes; batched makes the same views (RandAugment, Cutout, crop, mirror) with "
        "tensor operations on whole batches, on the training device.",
    )
    image_budget_mb: Whole = Field(
        default=8192,
        description="Memory in MiB that augment: batched may take on the training device for the "
        "images; a larger set stays in the host's memory and is sent in blocks.",
    )
    channels_last: bool = Field(
        default=True,
        description="Store images and convolution weights channels-last, which convolutions like.",
    )
    fused_optimizer: bool = Field(
        default=True, description="Use torch's fused optimizer where the device has one."
    )
    compile: Literal["off", "default", "reduce-overhead"] = Field(
        default="off",
        description="torch.compile of the network; reduce-overhead also records CUDA graphs. "
        "Without a compiler the run goes on uncompiled and says so.",
    )
    tf32: bool = Field(
        default=False,
        description="Let CUDA multiply float32 matrices with TF32's 10-bit mantissa.",
    )
