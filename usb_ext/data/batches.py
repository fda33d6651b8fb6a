"""Batches that depend only on (seed, iteration), whatever the number of workers.

USB orders its batches by the epoch's number alone and lets each worker draw its own augmentations,
so neither the seed nor a resumed run decides what is seen. Here iteration t takes positions t*B to
(t+1)*B of an endless sequence of permutations, and augments them with numbers seeded by t.

Random numbers that depend on (seed, stream, purpose, step) and on nothing else.

USB's transforms draw from three global generators: Python's `random` (RandAugment), NumPy's
(Cutout, rotation) and torch's (crop, mirror). `seeded` sets all three for a block and puts them
back.

Images whose random view depends on their position alone: for evaluating on unlabelled images.

Some of USB's algorithms (SAW, Adsh, CReST) evaluate the network on the unlabelled set through its weak
view. With one seed an image, what they see depends neither on the number of workers nor on
`eval_batch_size`, and costs a run nothing of its global random states.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from usb_ext.core.errors import SettingsError
from usb_ext.core.processes import world

ORDER, AUGMENTATION = 0, 1  # purposes, kept apart so that their numbers never coincide


def check_seed(seed: int) -> None:
    """Raise unless the seed is usable.

    Raises:
        SettingsError: a negative seed, which NumPy cannot take.
    """
    if seed < 0:
        raise SettingsError(f"seed is {seed}; it must be 0 or more")


def order_rng(seed: int, stream: int, step: int) -> np.random.Generator:
    """A generator for the order of images: permutation or batch number `step` >= 0."""
    return np.random.default_rng(np.random.SeedSequence((seed, stream, ORDER, step)))


@contextmanager
def seeded(seed: int, stream: int, step: int) -> Iterator[None]:
    """Inside the block the three global generators of the CPU depend on the arguments alone.

    torch's generators on other devices are not touched, neither now nor when the states are
    restored (`torch.manual_seed` would reset them).
    """
    words = np.random.SeedSequence((seed, stream, AUGMENTATION, step)).generate_state(8)
    saved = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(int(words[0]) << 32 | int(words[1]))
        np.random.seed(words[2:6])
        torch.default_generator.manual_seed(int(words[6]) << 32 | int(words[7]))
        yield
    finally:
        random.setstate(saved[0])
        np.random.set_state(saved[1])
        torch.set_rng_state(saved[2])


Batch = tuple[int, list[int]]


class IterationBatches(Sampler[Any]):
    """Yields (t, positions) for each iteration t from `start_iter` to `num_iters` - 1.

    Any t can be the first: nothing before it is replayed. Every image occurs once in each
    permutation of all n, so a batch that reaches into the next one may repeat an image.

    Of several processes each takes its share of every batch, the rows `rows`. Views are drawn one image after
    the other, so what is yielded begins with the rows of the processes before, up to the last of its own.

    Args:
        n: images in the data set, >= 1.
        batch_size: B >= 1, of all processes together; may exceed n.
        num_iters: iterations of the whole run.
        start_iter: first iteration to yield, >= 0; `num_iters` or more yields nothing.
        seed: >= 0.
        stream: >= 0, a number of its own for each loader of a run.
        weights: shape (n,), >= 0 with a positive sum. If given, each position is drawn with
            replacement in proportion to its weight, and there are no permutations.

    Raises:
        SettingsError: a value out of range.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        num_iters: int,
        start_iter: int,
        seed: int,
        stream: int,
        weights: Sequence[float] | NDArray[np.float64] | None = None,
    ) -> None:
        check_seed(seed)
        if n < 1 or batch_size < 1 or start_iter < 0:
            raise SettingsError(
                f"{n} images, batch_size {batch_size}, first iteration {start_iter}: a loader "
                "needs an image, a batch size of 1 and iteration 0 at least"
            )
        self.n, self.batch_size = n, batch_size
        self.rows = world().share(batch_size)
        if self.rows.start == self.rows.stop:
            raise SettingsError(
                f"{world().size} processes share a batch of {batch_size}; use as many examples at least, or "
                f"{batch_size} processes"
            )
        self.num_iters, self.start_iter = num_iters, start_iter
        self.seed, self.stream = seed, stream
        self._cumulated = None if weights is None else _cumulate(weights, n)
        self._latest: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        return max(0, self.num_iters - self.start_iter)

    def __iter__(self) -> Iterator[Batch]:
        for t in range(self.start_iter, self.num_iters):
            yield t, self.positions(t)[: self.rows.stop]

    def positions(self, t: int) -> list[int]:
        """The B positions of iteration t >= 0, each from 0 to n - 1."""
        if self._cumulated is not None:
            drawn = order_rng(self.seed, self.stream, t).random(self.batch_size)
            found: list[int] = np.searchsorted(self._cumulated, drawn, side="right").tolist()
            return found
        taken: list[int] = []
        while len(taken) < self.batch_size:
            number, offset = divmod(t * self.batch_size + len(taken), self.n)
            missing = self.batch_size - len(taken)
            taken += self._permutation(number)[offset : offset + missing].tolist()
        return taken

    def _permutation(self, number: int) -> NDArray[np.int64]:
        """Permutation `number` of range(n), shape (n,); the latest one is kept."""
        if self._latest[0] != number:
            order = order_rng(self.seed, self.stream, number).permutation(self.n)
            self._latest = (number, order.astype(np.int64))
        return self._latest[1]


class MapStyle(Protocol):
    """A data set by position; a sample is whatever it gives."""

    def __len__(self) -> int:
        """How many samples."""

    def __getitem__(self, position: int, /) -> Any:
        """One of them."""


class SeededDataset(Dataset[Any]):
    """A map-style data set whose random transforms obey (seed, stream, iteration).

    The caller's global random states are as before after each batch. Other attributes (`targets`,
    `data`, `transform`, ...) are those of the wrapped data set. Picklable if that one is.

    Args:
        dataset: anything with `__len__` and `__getitem__`.
        seed: >= 0.
        stream: >= 0, as for `IterationBatches`.
        skipped: leading samples of each batch that only draw their numbers: those of other processes.
    """

    def __init__(self, dataset: MapStyle, seed: int, stream: int, skipped: int = 0) -> None:
        check_seed(seed)
        self.dataset, self.seed, self.stream = dataset, seed, stream
        self.skipped = skipped

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        """One sample, drawn from the global generators as they are."""
        return self.dataset[position]

    def __getitems__(self, batch: Batch) -> list[Any]:
        """The samples of one batch of `IterationBatches`; a `DataLoader` calls this."""
        t, positions = batch
        with seeded(self.seed, self.stream, t):
            return [self.dataset[position] for position in positions][self.skipped :]

    def __getattr__(self, name: str) -> Any:
        if name == "dataset" or name.startswith("__"):  # also while being unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)


def _cumulate(weights: Sequence[float] | NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Cumulative share of each position, shape (n,), rising to exactly 1."""
    values = np.asarray(weights, dtype=np.float64)
    if (
        values.shape != (n,)
        or not np.isfinite(values).all()
        or values.min() < 0
        or not values.any()
    ):
        raise SettingsError(
            f"sampling weights of shape {values.shape} for {n} images; give one finite weight "
            ">= 0 for each, not all 0"
        )
    total = np.cumsum(values)
    share: NDArray[np.float64] = total / total[-1]
    return share


class SeededImages(Dataset[Any]):
    """A map-style data set, each image seeded by (seed, stream, position).

    Args:
        dataset: anything with `__len__` and `__getitem__`.
        seed: >= 0.
        stream: >= 0, a number of its own for each loader of a run.
    """

    def __init__(self, dataset: MapStyle, seed: int, stream: int) -> None:
        check_seed(seed)
        self.dataset, self.seed, self.stream = dataset, seed, stream

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        """One sample; the global random states are as before."""
        with seeded(self.seed, self.stream, position):
            return self.dataset[position]
