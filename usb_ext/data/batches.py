"""Batches that depend only on (seed, iteration), whatever the number of workers.

USB orders its batches by the epoch's number alone and lets each worker draw its own augmentations,
so neither the seed nor a resumed run decides what is seen. Here iteration t takes positions t*B to
(t+1)*B of an endless sequence of permutations, and augments them with numbers seeded by t.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from usb_ext.core.errors import SettingsError
from usb_ext.data.seeding import check_seed, order_rng, seeded

Batch = tuple[int, list[int]]


class IterationBatches(Sampler[Any]):
    """Yields (t, positions) for each iteration t from `start_iter` to `num_iters` - 1.

    Any t can be the first: nothing before it is replayed. Every image occurs once in each
    permutation of all n, so a batch that reaches into the next one may repeat an image.

    Args:
        n: images in the data set, >= 1.
        batch_size: B >= 1; may exceed n.
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
        self.num_iters, self.start_iter = num_iters, start_iter
        self.seed, self.stream = seed, stream
        self._cumulated = None if weights is None else _cumulate(weights, n)
        self._latest: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        return max(0, self.num_iters - self.start_iter)

    def __iter__(self) -> Iterator[Batch]:
        for t in range(self.start_iter, self.num_iters):
            yield t, self.positions(t)

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


class SeededDataset(Dataset[Any]):
    """A map-style data set whose random transforms obey (seed, stream, iteration).

    The caller's global random states are as before after each batch. Other attributes (`targets`,
    `data`, `transform`, ...) are those of the wrapped data set. Picklable if that one is.

    Args:
        dataset: anything with `__len__` and `__getitem__`.
        seed: >= 0.
        stream: >= 0, as for `IterationBatches`.
    """

    def __init__(self, dataset: Any, seed: int, stream: int) -> None:
        check_seed(seed)
        self.dataset, self.seed, self.stream = dataset, seed, stream

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        """One sample, drawn from the global generators as they are."""
        return self.dataset[position]

    def __getitems__(self, batch: Batch) -> list[Any]:
        """The samples of one batch of `IterationBatches`; a `DataLoader` calls this."""
        t, positions = batch
        with seeded(self.seed, self.stream, t):
            return [self.dataset[position] for position in positions]

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
