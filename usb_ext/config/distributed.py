"""USB's settings for several processes: accepted so that its files load.

A run uses one device for now (`rules.py` refuses more than one process). Nothing here changes a
result.
"""

from typing import ClassVar

from pydantic import Field

from usb_ext.config.kinds import Count, Whole
from usb_ext.settings.group import SettingsGroup


class DistributedSettings(SettingsGroup):
    """Keys of USB's launcher, which starts the processes that we do not start."""

    heading: ClassVar[str] = "Several processes (USB's keys; one device for now)"

    world_size: Count = Field(default=1, description="Number of nodes; only 1 for now.")
    rank: Whole = Field(default=0, description="Number of this node; only 0 for now.")
    multiprocessing_distributed: bool = Field(
        default=False, description="USB's switch for one process a GPU; no effect here."
    )
    dist_url: str = Field(
        default="tcp://127.0.0.1:11111", description="Where USB's processes meet; no effect here."
    )
    dist_backend: str = Field(
        default="nccl", description="How USB's processes talk; no effect here."
    )
    gpu: Whole | None = Field(
        default=None, description="USB's number of the GPU; here device: cuda:N chooses it."
    )
