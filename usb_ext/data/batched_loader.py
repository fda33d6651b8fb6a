"""BatchedLoader: whole batches of views by tensor operations, in place of a DataLoader.

The views of several steps are made at once: a block of steps costs little more than one step, because
launching the operations is what costs. A block's random numbers depend on (seed, stream, block) and its
length on the batch size alone, so a batch is still a function of the seed and the step.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import torch

from usb_ext.data.batches import IterationBatches
from usb_ext.data.image_store import ImageStore
from usb_ext.data.recipe import Recipe
from usb_ext.data.seeding import AUGMENTATION
from usb_ext.data.view_plan import ROTATED, WEAK
from usb_ext.functional.batch_augment import normalise, strong_view, weak_view
from usb_ext.functional.batch_draws import StrongDraws, draw_strong
from usb_ext.functional.batch_weak_draws import WeakDraws, draw_weak

BLOCK_PIXELS = 2**20
"""ours: a block holds about so many pixels (1,024 images of 32 x 32), at least one batch."""


Draws = TypeVar("Draws", WeakDraws, StrongDraws)


def _first(draws: Draws, n: int) -> Draws:
    """The numbers of the first n images."""
    return type(draws)(**{field.name: getattr(draws, field.name)[:n] for field in fields(draws)})


@dataclass(frozen=True)
class Serving:
    """What a loader serves.

    Attributes:
        views: name of each view and its kind (`view_plan`).
        weak: recipe of weak views.
        strong: recipe of strong views; None where there are none.
        index_key: `idx_lb` or `idx_ulb`.
        target_key: `y_lb`, or None for unlabelled batches.
    """

    views: dict[str, str]
    weak: Recipe
    strong: Recipe | None
    index_key: str
    target_key: str | None


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
        whole = self._views(positions, generator, self.block * sampler.batch_size)
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

    def _views(
        self, positions: torch.Tensor, generator: torch.Generator, drawn: int
    ) -> dict[str, torch.Tensor]:
        """Views of the images at `positions` (n,); numbers are drawn for `drawn` >= n images."""
        images = self.store.fetch(positions) if self.serving.views else None
        made: dict[str, torch.Tensor] = {}
        for name, kind in self.serving.views.items():
            if images is None:
                continue
            if kind == ROTATED:
                made.update(self._rotated(name, made, generator, drawn))
            else:
                made[name] = self._view(images, kind, generator, drawn)
        return made

    def _view(
        self, images: torch.Tensor, kind: str, generator: torch.Generator, drawn: int
    ) -> torch.Tensor:
        recipe = self.serving.weak if kind == WEAK else self.serving.strong
        if recipe is None:
            raise ValueError("this loader has no recipe for strong views")
        n = images.shape[0]
        view = images
        if recipe.padding is not None:
            weak = draw_weak(drawn, recipe.padding, recipe.hflip, generator)
            view = weak_view(view, _first(weak, n))
        if recipe.num_ops:
            strong = draw_strong(drawn, recipe.size, generator, recipe.num_ops)
            view = strong_view(view, _first(strong, n))
        return normalise(view, recipe.mean, recipe.std)

    def _rotated(
        self, name: str, made: dict[str, torch.Tensor], generator: torch.Generator, drawn: int
    ) -> dict[str, torch.Tensor]:
        """ReMixMatch's rotations by 0, 90, 180 or 270 degrees of its first strong view."""
        view = made["x_ulb_s_0"]
        turns = torch.randint(4, (drawn,), generator=generator)[: view.shape[0]]
        turned = torch.stack([torch.rot90(view, k, (2, 3)) for k in range(4)])
        turns = turns.to(view.device, non_blocking=True)
        chosen = turned[turns, torch.arange(view.shape[0], device=view.device)]
        return {name: chosen, "rot_v": turns}
