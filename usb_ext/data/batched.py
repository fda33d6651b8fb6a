"""From USB's data sets to batched loaders, or the reason why there is no batched way."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.augment.recipe import Recipe, recipe_of
from usb_ext.augment.views import normalise
from usb_ext.core.errors import SettingsError
from usb_ext.data.batched_loader import BatchedLoader
from usb_ext.data.batches import IterationBatches
from usb_ext.data.block_views import Serving
from usb_ext.data.image_store import ImageStore
from usb_ext.data.view_plan import STRONG, labelled_views, unlabelled_views


def serving_of(dataset: Any, algorithm: str) -> Serving:
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
    dataset: Any,
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
        self, dataset: Any, recipe: Recipe, device: torch.device, budget_bytes: int, batch_size: int
    ) -> None:
        self.dataset, self.recipe, self.batch_size = dataset, recipe, batch_size
        self.store = ImageStore(dataset.data, recipe.size, device, budget_bytes)
        self.targets = torch.as_tensor(np.asarray(dataset.targets), dtype=torch.long)

    def __len__(self) -> int:
        return -(-len(self.targets) // self.batch_size)

    def __iter__(self) -> Any:
        for rows in torch.split(torch.arange(len(self.targets)), self.batch_size):
            images = normalise(self.store.fetch(rows), self.recipe.mean, self.recipe.std)
            yield {"idx_lb": rows, "x_lb": images, "y_lb": self.targets[rows]}


def batched_eval_loader(
    dataset: Any, device: torch.device, budget_bytes: int, batch_size: int
) -> BatchedEvaluation | None:
    """The batched evaluation of a split, or None if its images have another recipe."""
    recipe = recipe_of(getattr(dataset, "transform", None))
    images = getattr(dataset, "data", None)
    plain = recipe is not None and recipe.padding is None and not recipe.hflip
    if recipe is None or not plain or len(getattr(images, "shape", ())) != 4:
        return None
    return BatchedEvaluation(dataset, recipe, device, budget_bytes, batch_size)
