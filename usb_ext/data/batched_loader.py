"""BatchedLoader: whole batches of views by tensor operations, in place of a DataLoader.

The views of several steps are made at once: a block of steps costs little more than one step, because
launching the operations is what costs. A block's random numbers depend on (seed, stream, block) and its
length on the batch size alone, so a batch is still a function of the seed and the step.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from usb_ext.data.batches import IterationBatches
from usb_ext.data.block_views import Serving, make_views
from usb_ext.data.image_store import ImageStore
from usb_ext.data.seeding import AUGMENTATION

BLOCK_PIXELS = 2**20
"""ours: a block holds about so many pixels (1,024 images of 32 x 32), at least one batch."""


class BatchedLoader:
    """Iterable over the batches from `batch_sampler.start_iter` on.

    Args:
        dataset: USB's data set, kept as `.dataset` for the algorithms that look at it.
        store: its images.
        targets: (N,) classes.
        serving: what to serve.
        batch_sampler: which positions each step takes.
    """

    def __init__(
        self,
        dataset: Any,
        store: ImageStore,
        targets: torch.Tensor,
        serving: Serving,
        batch_sampler: IterationBatches,
    ) -> None:
        self.dataset = dataset
        self.store = store
        self.targets = targets
        self.serving = serving
        self.batch_sampler = batch_sampler
        pixels = batch_sampler.batch_size * serving.weak.size**2
        self.block = max(1, BLOCK_PIXELS // pixels)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        start, first = self.batch_sampler.start_iter, self.batch_sampler.start_iter // self.block
        numbers = range(first, -(-self.batch_sampler.num_iters // self.block))
        make = (
            map(self._block, numbers) if self.store.resident is not None else self._ahead(numbers)
        )
        for number, batches in zip(numbers, make, strict=True):
            yield from batches[start - first * self.block if number == first else 0 :]

    def _ahead(self, numbers: range) -> Iterator[list[dict[str, torch.Tensor]]]:
        """Blocks of a set that is not on the device: the next is fetched while one is served."""
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._block, numbers[0]) if numbers else None
            for number in numbers:
                batches = coming.result() if coming is not None else []
                coming = pool.submit(self._block, number + 1) if number + 1 in numbers else None
                yield batches

    def _block(self, number: int) -> list[dict[str, torch.Tensor]]:
        """The batches of block `number`; the last block of a run may be shorter."""
        sampler, serving = self.batch_sampler, self.serving
        first = number * self.block
        steps = min(self.block, sampler.num_iters - first)
        rows = [sampler.positions(t) for t in range(first, first + steps)]
        positions = torch.tensor(rows).reshape(-1)
        generator = self._generator(number)
        whole: dict[str, torch.Tensor] = {}
        if serving.views:
            drawn = self.block * sampler.batch_size
            whole = make_views(self.store.fetch(positions), serving, generator, drawn)
        indices = positions.to(self.store.device, non_blocking=True)
        whole[serving.index_key] = indices
        if serving.target_key is not None:
            whole[serving.target_key] = self.targets[indices]
        cut = {key: torch.split(value, sampler.batch_size) for key, value in whole.items()}
        return [{key: parts[step] for key, parts in cut.items()} for step in range(steps)]

    def _generator(self, number: int) -> torch.Generator:
        sampler = self.batch_sampler
        words = np.random.SeedSequence((sampler.seed, sampler.stream, AUGMENTATION, number))
        return torch.Generator().manual_seed(int(words.generate_state(1, np.uint64)[0]) >> 1)
