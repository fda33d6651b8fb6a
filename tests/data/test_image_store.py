"""Images in memory or decoded on demand: the same pixels, of the size asked for."""

import numpy as np
import torch

from usb_ext.augment.recipe import resized
from usb_ext.data.image_store import ImageStore

CPU = torch.device("cpu")


def test_store_decodes_lazy_images_and_resizes() -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 24, 24, 3), dtype=np.uint8)

    class Lazy:
        shape = images.shape

        def __getitem__(self, position: int) -> np.ndarray:
            return images[position]

    positions = torch.tensor([3, 0, 3])
    held = ImageStore(images, 16, CPU, 2**20).fetch(positions)
    lazy = ImageStore(Lazy(), 16, CPU, 2**20).fetch(positions)
    assert held.shape == (3, 3, 16, 16) and torch.equal(held, lazy)
    assert torch.equal(held[0], torch.from_numpy(resized(images, 16)[3]).permute(2, 0, 1))
