"""From USB's data sets to batched loaders, or the reason why there is no batched way.

The views of a block of images, by whole-batch operations (LayerMatch, Table 7, for the strong ones).

BatchedLoader: whole batches of views by tensor operations, in place of a DataLoader.

The views of several steps are made at once: a block of steps costs little more than one step, because
launching the operations is what costs. A block's random numbers depend on (seed, stream, block) and its
length on the batch size alone, so a batch is still a function of the seed and the step.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.augment.draws import StrongDraws, WeakDraws, draw_strong, draw_weak
from usb_ext.augment.recipe import (
    ROTATED,
    STRONG,
    WEAK,
    Recipe,
    labelled_views,
    recipe_of,
    unlabelled_views,
)
from usb_ext.augment.views import normalise, strong_view, weak_view
from usb_ext.core.errors import SettingsError
from usb_ext.data.batches import AUGMENTATION, IterationBatches
from usb_ext.data.image_store import ImageStore
from usb_ext.data.loaders import evaluation_batches
from usb_ext.upstream.running import Batch, Served

Draws = TypeVar("Draws", WeakDraws, StrongDraws)
Rows = slice | torch.Tensor
"""Which of the images that numbers are drawn for: a slice, or (n,) places."""


def _of(draws: Draws, rows: Rows) -> Draws:
    """The numbers of some images."""
    return type(draws)(**{field.name: getattr(draws, field.name)[rows] for field in fields(draws)})


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


def make_views(
    images: torch.Tensor,
    serving: Serving,
    generator: torch.Generator,
    drawn: int,
    rows: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """The views of a block of images.

    Args:
        images: (N, 3, H, W) uint8.
        serving: which views.
        generator: source of the random numbers.
        drawn: images that numbers are drawn for, >= N, so that a shorter block draws the same.
        rows: (N,) which of those the images are, on the CPU; None for the first N.

    Returns:
        Each view by name, (N, 3, H, W) float32, and the turns `rot_v` (N,) of a rotated one.
    """
    made: dict[str, torch.Tensor] = {}
    taken = slice(len(images)) if rows is None else rows
    for name, kind in serving.views.items():
        if kind == ROTATED:
            made.update(_rotated(name, made, generator, drawn, taken))
        else:
            made[name] = _view(images, serving, kind, generator, drawn, taken)
    return made


def _view(
    images: torch.Tensor,
    serving: Serving,
    kind: str,
    generator: torch.Generator,
    drawn: int,
    rows: Rows,
) -> torch.Tensor:
    recipe = serving.weak if kind == WEAK else serving.strong
    if recipe is None:
        raise ValueError("this loader has no recipe for strong views")
    view = images
    if recipe.padding is not None:
        weak = draw_weak(drawn, recipe.padding, recipe.hflip, generator)
        view = weak_view(view, _of(weak, rows))
    if recipe.num_ops:
        strong = draw_strong(drawn, recipe.size, generator, recipe.num_ops)
        view = strong_view(view, _of(strong, rows))
    return normalise(view, recipe.mean, recipe.std)


def _rotated(
    name: str, made: dict[str, torch.Tensor], generator: torch.Generator, drawn: int, rows: Rows
) -> dict[str, torch.Tensor]:
    """ReMixMatch's rotations by 0, 90, 180 or 270 degrees of its first strong view."""
    view = made["x_ulb_s_0"]
    turns = torch.randint(4, (drawn,), generator=generator)[rows]
    turned = torch.stack([torch.rot90(view, k, (2, 3)) for k in range(4)])
    turns = turns.to(view.device, non_blocking=True)
    chosen = turned[turns, torch.arange(view.shape[0], device=view.device)]
    return {name: chosen, "rot_v": turns}


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
        dataset: Served,
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
        positions, rows = positions_of_block(sampler, first, steps)
        generator = self._generator(number)
        whole: dict[str, torch.Tensor] = {}
        if serving.views:
            drawn = self.block * sampler.batch_size
            whole = make_views(self.store.fetch(positions), serving, generator, drawn, rows)
        indices = positions.to(self.store.device, non_blocking=True)
        whole[serving.index_key] = indices
        if serving.target_key is not None:
            whole[serving.target_key] = self.targets[indices]
        cut = {key: torch.split(value, len(positions) // steps) for key, value in whole.items()}
        return [{key: parts[step] for key, parts in cut.items()} for step in range(steps)]

    def _generator(self, number: int) -> torch.Generator:
        sampler = self.batch_sampler
        words = np.random.SeedSequence((sampler.seed, sampler.stream, AUGMENTATION, number))
        return torch.Generator().manual_seed(int(words.generate_state(1, np.uint64)[0]) >> 1)


def positions_of_block(
    sampler: IterationBatches, first: int, steps: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What this process takes of some steps.

    Args:
        sampler: which positions each step takes, and which of a batch's rows are this process's.
        first: step.
        steps: how many.

    Returns:
        Positions in the data set (n,), and the places of these among the rows of all processes (n,), or None
        where they are all rows; both on the CPU.
    """
    positions = torch.tensor([sampler.positions(t) for t in range(first, first + steps)])
    if sampler.rows == slice(0, sampler.batch_size):
        return positions.reshape(-1), None
    places = torch.arange(positions.numel()).view(positions.shape)[:, sampler.rows].reshape(-1)
    return positions.reshape(-1)[places], places


def serving_of(dataset: Served, algorithm: str) -> Serving:
    """What a training set serves to an algorithm.

    Raises:
        SettingsError: if its views follow another recipe than crop, mirror and RandAugment, or its
            images are neither one array nor decoded on access.
    """
    unlabelled = bool(getattr(dataset, "is_ulb", False))
    views = unlabelled_views(algorithm) if unlabelled else labelled_views(algorithm)
    weak = recipe_of(getattr(dataset, "transform", None))
    strong = recipe_of(getattr(dataset, "strong_transform", None))
    strong_wanted = any(kind == STRONG for kind in views.values())
    images = getattr(dataset, "data", None)
    if weak is None or (strong_wanted and strong is None) or len(getattr(images, "shape", ())) != 4:
        raise SettingsError(
            "augment is 'batched', which needs images of one size and USB's usual recipe (crop, "
            "mirror, RandAugment); this data set has another one: use --augment usb"
        )
    return Serving(
        views=views,
        weak=weak,
        strong=strong,
        index_key="idx_ulb" if unlabelled else "idx_lb",
        target_key=None if unlabelled else "y_lb",
    )


def batched_train_loader(
    dataset: Served,
    algorithm: str,
    device: torch.device,
    budget_bytes: int,
    *,
    batch_size: int,
    num_iters: int,
    seed: int,
    stream: int,
    weights: NDArray[np.float64] | None = None,
) -> BatchedLoader:
    """The batched counterpart of `loaders.train_loader`, with the same batches of positions.

    Args:
        dataset: USB's BasicDataset.
        algorithm: name, which decides the views.
        device: where the views are made.
        budget_bytes: most memory for images there.
        batch_size: images a step.
        num_iters: steps of the run.
        seed: of order and views.
        stream: a number of its own for each loader of a run.
        weights: for weighted sampling.
    """
    serving = serving_of(dataset, algorithm)
    store = ImageStore(dataset.data, serving.weak.size, device, budget_bytes)
    targets = torch.as_tensor(np.asarray(dataset.targets), dtype=torch.long).to(device)
    sampler = IterationBatches(len(dataset), batch_size, num_iters, 0, seed, stream, weights)
    return BatchedLoader(dataset, store, targets, serving, sampler)


class BatchedEvaluation:
    """A split in order, normalised on the device; iterable like a DataLoader.

    Args:
        dataset: USB's BasicDataset.
        recipe: its evaluation recipe (no crop, nothing random).
        device: where it is wanted.
        budget_bytes: most memory for images there.
        batch_size: images a batch.
    """

    def __init__(
        self,
        dataset: Served,
        recipe: Recipe,
        device: torch.device,
        budget_bytes: int,
        batch_size: int,
    ) -> None:
        self.dataset, self.recipe, self.batch_size = dataset, recipe, batch_size
        self.store = ImageStore(dataset.data, recipe.size, device, budget_bytes)
        self.targets = torch.as_tensor(np.asarray(dataset.targets), dtype=torch.long)

    def __len__(self) -> int:
        return len(evaluation_batches(len(self.targets), self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        for rows in evaluation_batches(len(self.targets), self.batch_size):
            images = normalise(self.store.fetch(rows), self.recipe.mean, self.recipe.std)
            yield {"idx_lb": rows, "x_lb": images, "y_lb": self.targets[rows]}


def batched_eval_loader(
    dataset: Served, device: torch.device, budget_bytes: int, batch_size: int
) -> BatchedEvaluation | None:
    """The batched evaluation of a split, or None if its images have another recipe."""
    recipe = recipe_of(getattr(dataset, "transform", None))
    images = getattr(dataset, "data", None)
    plain = recipe is not None and recipe.padding is None and not recipe.hflip
    if recipe is None or not plain or len(getattr(images, "shape", ())) != 4:
        return None
    return BatchedEvaluation(dataset, recipe, device, budget_bytes, batch_size)
