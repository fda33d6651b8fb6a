"""Batches of two views that depend on (seed, step) alone, so that a resumed run sees the same ones.

Of several processes each makes the views of its own rows, and they are those that one process makes of them.
"""

from dataclasses import dataclass

import numpy as np
import torch

from usb_ext.augment.self_supervised import ViewRecipe, draw_views, self_supervised_view
from usb_ext.core.processes import world
from usb_ext.data.batches import AUGMENTATION, order_rng
from usb_ext.data.image_store import ImageStore

STREAM = 7
"""Apart from the streams of training (`engine.engine`, `upstream.usb_shared`)."""


@dataclass
class TwoViews:
    """The batches of pre-training: each epoch a permutation, cut into whole batches.

    Attributes:
        store: the images.
        count: N.
        batch_size: images a batch of all processes, B; no more than N, no less than processes.
        recipe: how views are made.
        mean: of each channel.
        std: of each channel.
        seed: decides order and views.
    """

    store: ImageStore
    count: int
    batch_size: int
    recipe: ViewRecipe
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int

    @property
    def steps(self) -> int:
        """Steps an epoch; images that fill no whole batch wait for the next permutation."""
        return self.count // self.batch_size

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Both views of this process's images of a step, each (n, 3, H, W), normalised, on the device."""
        epoch, place = divmod(step, self.steps)
        order = order_rng(self.seed, STREAM, epoch).permutation(self.count)
        rows = order[place * self.batch_size : (place + 1) * self.batch_size]
        images = self.store.fetch(torch.from_numpy(rows[world().share(len(rows))]))
        words = np.random.SeedSequence((self.seed, STREAM, AUGMENTATION, step))
        generator = torch.Generator().manual_seed(int(words.generate_state(1, np.uint64)[0]) >> 1)
        first, second = (self._view(images, generator) for _ in range(2))
        return first, second

    def _view(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        draws = draw_views(self.batch_size, self.store.size, self.recipe, generator)
        own = world().share(self.batch_size)
        view = self_supervised_view(images, draws.part(own.start, own.stop))
        mean, std = (
            torch.tensor(v, device=view.device).view(1, 3, 1, 1) for v in (self.mean, self.std)
        )
        return view.sub_(mean).div_(std)
