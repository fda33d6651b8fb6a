"""The images of a set as uint8, where the views are made from them.

On the training device when they fit the budget; else where they are (in the host's memory, in a mapped file,
or still encoded on disk), fetched a block at a time through pinned memory.
"""

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from usb_ext.augment.recipe import resized, resized_one
from usb_ext.data.arrays import Images
from usb_ext.data.streamed import StreamedImages

MEBIBYTE = 2**20
DECODERS = 4
_log = logging.getLogger(__name__)


class ImageStore:
    """Images of one size, fetched by position.

    Args:
        images: (N, H, W, 3) uint8 array, or an object that decodes images on access.
        size: side in pixels of the images that `fetch` gives.
        device: where they are wanted.
        budget_bytes: most memory on the device; a larger set is fetched in blocks.
    """

    def __init__(
        self,
        images: Images,
        size: int,
        device: torch.device,
        budget_bytes: int,
    ) -> None:
        self.size = size
        self.device = device
        self.source = images
        self.resident: torch.Tensor | None = None
        mapped = isinstance(images, StreamedImages) and images.mapped is not None
        if not isinstance(images, np.ndarray) and not (mapped and device.type != "cpu"):
            return  # ours: on the CPU a mapped file stays where it is, and memory does not grow with it
        need = len(images) * 3 * size * size
        if need > budget_bytes:
            _log.warning(
                "%d MiB of images exceed image_budget_mb (%d); they are fetched in blocks",
                need // MEBIBYTE,
                budget_bytes // MEBIBYTE,
            )
            return
        whole = images if isinstance(images, np.ndarray) else self._block(np.arange(len(images)))
        planes = torch.from_numpy(np.ascontiguousarray(resized(whole, size))).permute(0, 3, 1, 2)
        self.resident = planes.contiguous().to(device)

    def fetch(self, positions: torch.Tensor) -> torch.Tensor:
        """Images at positions (n,) on the CPU: (n, 3, size, size) uint8 on the device."""
        if self.resident is not None:
            return self.resident[positions.to(self.device, non_blocking=True)]
        planes = torch.from_numpy(self._block(positions.numpy())).permute(0, 3, 1, 2).contiguous()
        if self.device.type == "cuda":
            planes = planes.pin_memory()
        return planes.to(self.device, non_blocking=True)

    def _block(self, positions: np.ndarray) -> np.ndarray:
        """Images at `positions`, (n, size, size, 3): cut from an array or file, or decoded by threads."""
        if isinstance(self.source, np.ndarray):
            return resized(np.asarray(self.source[positions]), self.size)
        if isinstance(self.source, StreamedImages) and self.source.mapped is not None:
            return resized(self.source.block(positions), self.size)
        with ThreadPoolExecutor(DECODERS) as pool:
            return np.stack(list(pool.map(self._decoded, positions.tolist())))

    def _decoded(self, position: int) -> np.ndarray:
        return resized_one(np.asarray(self.source[position]), self.size)
