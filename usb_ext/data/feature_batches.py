"""Batches of features, kept views or views made of them: one tensor on the device, without workers.

As in `batched.py` the batches of several steps are cut from one block, whose random numbers depend on (seed,
stream, block) and whose length on the batch size alone: a batch is a function of the seed and the step.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.augment.recipe import labelled_views, unlabelled_views
from usb_ext.augment.usb_views import DroppedView, KeptView
from usb_ext.core.errors import SettingsError
from usb_ext.data.batched import positions_of_block
from usb_ext.data.batches import AUGMENTATION, IterationBatches
from usb_ext.data.feature_views import KeptViews
from usb_ext.data.loaders import evaluation_batches
from usb_ext.upstream.running import Batch, Served

BLOCK_ROWS = 4096
"""ours: a block holds about so many examples, at least one batch."""


def is_kept(dataset: Served) -> bool:
    """Whether a data set serves kept features."""
    return isinstance(getattr(dataset, "data", None), KeptViews)


class FeatureLoader:
    """Iterable over the batches from `batch_sampler.start_iter` on.

    Args:
        dataset: USB's data set on `KeptViews`, kept as `.dataset`.
        algorithm: name, which decides the views.
        device: where they are wanted.
        budget_bytes: most memory for features on a GPU; more are read from the file block by block, as all
            are on the CPU: what the system keeps of the file in memory is shared by all runs on it.
        batch_sampler: which positions each step takes.

    Raises:
        SettingsError: an algorithm with views that are not kept.
    """

    def __init__(
        self,
        dataset: Served,
        algorithm: str,
        device: torch.device,
        budget_bytes: int,
        batch_sampler: IterationBatches,
    ) -> None:
        self.dataset, self.device, self.batch_sampler = dataset, device, batch_sampler
        unlabelled = bool(getattr(dataset, "is_ulb", False))
        kinds = unlabelled_views(algorithm) if unlabelled else labelled_views(algorithm)
        known = {"weak": dataset.transform, "strong": dataset.strong_transform}
        if lacking := sorted(set(kinds.values()) - set(known)):
            raise SettingsError(
                f"algorithm {algorithm} wants {', '.join(lacking)} views, which are not kept for dataset "
                "features; use another algorithm"
            )
        self.views: dict[str, KeptView] = {name: known[kind] for name, kind in kinds.items()}
        self.index_key = "idx_ulb" if unlabelled else "idx_lb"
        self.target_key = None if unlabelled else "y_lb"
        self.kept: KeptViews = dataset.data
        self.resident = (
            self.kept.tensor().to(device) if _held(self.kept, device, budget_bytes) else None
        )
        self.targets = torch.as_tensor(np.asarray(dataset.targets), dtype=torch.long).to(device)
        self.block = max(1, BLOCK_ROWS // batch_sampler.batch_size)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        start = self.batch_sampler.start_iter
        first = start // self.block
        for number in range(first, -(-self.batch_sampler.num_iters // self.block)):
            batches = self._block(number)
            yield from batches[start - first * self.block if number == first else 0 :]

    def _block(self, number: int) -> list[dict[str, torch.Tensor]]:
        """The batches of block `number`; the last block of a run may be shorter."""
        sampler = self.batch_sampler
        first = number * self.block
        steps = min(self.block, sampler.num_iters - first)
        positions, rows = positions_of_block(sampler, first, steps)
        taken = slice(len(positions)) if rows is None else rows
        generator = self._generator(number)
        whole = {}
        for name, view in self.views.items():  # drawn for a whole block, however short this one is
            most = self.block * sampler.batch_size
            drawn = torch.randint(view.count, (most,), generator=generator)
            found = self._taken(positions, view.first + drawn[taken])
            if isinstance(view, DroppedView):
                found = view.made(found, generator, most, taken)
            whole[name] = found
        indices = positions.to(self.device, non_blocking=True)
        whole[self.index_key] = indices
        if self.target_key is not None:
            whole[self.target_key] = self.targets[indices]
        cut = {key: torch.split(value, len(positions) // steps) for key, value in whole.items()}
        return [{key: parts[step] for key, parts in cut.items()} for step in range(steps)]

    def _taken(self, positions: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
        """View `views[i]` of example `positions[i]`: (n, d) float32 on the device."""
        if self.resident is not None:
            one: torch.Tensor = self.resident[positions.to(self.device), views.to(self.device)]
            return one.float()
        rows = self.kept.rows[positions.numpy()]
        found = torch.from_numpy(self.kept.values[rows, views.numpy()])
        return found.to(self.device).float()

    def _generator(self, number: int) -> torch.Generator:
        sampler = self.batch_sampler
        words = np.random.SeedSequence((sampler.seed, sampler.stream, AUGMENTATION, number))
        return torch.Generator().manual_seed(int(words.generate_state(1, np.uint64)[0]) >> 1)


def _held(kept: KeptViews, device: torch.device, budget_bytes: int) -> bool:
    """Whether the device holds a copy of its own."""
    return device.type != "cpu" and kept.values.itemsize * int(np.prod(kept.shape)) <= budget_bytes


def feature_train_loader(
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
) -> FeatureLoader:
    """The counterpart of `batched.batched_train_loader`, with the same arguments and positions."""
    sampler = IterationBatches(len(dataset), batch_size, num_iters, 0, seed, stream, weights)
    return FeatureLoader(dataset, algorithm, device, budget_bytes, sampler)


class FeatureEvaluation:
    """A split in order, in its plain view; iterable like a DataLoader.

    Args:
        dataset: USB's data set on `KeptViews`.
        batch_size: examples a batch.
    """

    def __init__(self, dataset: Served, batch_size: int) -> None:
        self.dataset, self.batch_size = dataset, batch_size
        self.targets = torch.as_tensor(np.asarray(dataset.targets), dtype=torch.long)

    def __len__(self) -> int:
        return len(evaluation_batches(len(self.targets), self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        kept: KeptViews = self.dataset.data
        for rows in evaluation_batches(len(self.targets), self.batch_size):
            plain = torch.from_numpy(kept.values[kept.rows[rows.numpy()], 0]).float()
            yield {"idx_lb": rows, "x_lb": plain, "y_lb": self.targets[rows]}
