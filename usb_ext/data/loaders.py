"""The loaders of a run: seeded batches for training, images in order for evaluation."""

import signal
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from usb_ext.core.processes import world
from usb_ext.data.batches import IterationBatches, MapStyle, SeededDataset
from usb_ext.upstream.running import Collate


def train_loader(
    dataset: MapStyle,
    *,
    batch_size: int,
    num_iters: int,
    start_iter: int,
    seed: int,
    stream: int,
    num_workers: int,
    collate_fn: Collate | None = None,
    weights: Sequence[float] | NDArray[np.float64] | None = None,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """One batch an iteration, from `start_iter` to `num_iters` - 1, bit for bit fixed by (seed, t).

    Neither making the iterator nor using it changes the global random states. `collate_fn` runs
    outside the seeded block and must not draw random numbers.

    Args:
        dataset: map-style; may draw from Python's, NumPy's and torch's global generators.
        batch_size: images a batch, of all processes together; the last is as large as the others.
        num_workers: processes; 0 loads in this one. Kept alive between epochs.
        weights: for weighted sampling; with `seed` and `stream` as in `IterationBatches`.

    Raises:
        SettingsError: a value out of range.
    """
    batches = IterationBatches(
        len(dataset), batch_size, num_iters, start_iter, seed, stream, weights
    )
    return DataLoader(
        SeededDataset(dataset, seed, stream, batches.rows.start),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=collate_fn,
        pin_memory=pin_memory,
        worker_init_fn=_ignore_ctrl_c,
        generator=torch.Generator(),
        persistent_workers=num_workers > 0,
    )


def eval_loader(
    dataset: MapStyle,
    batch_size: int,
    num_workers: int,
    collate_fn: Collate | None = None,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """All images once and in order; the last batch may be smaller.

    Of several processes each has its share of the batches, so that every batch is one of a single process.

    Args:
        dataset: map-style, without random transforms.
        batch_size: images a batch, >= 1.
        num_workers: processes; 0 loads in this one.
    """
    return DataLoader(
        cast(
            "Dataset[Any]", dataset
        ),  # which asks for its own base class, and needs no more than this
        batch_sampler=[rows.tolist() for rows in evaluation_batches(len(dataset), batch_size)],
        num_workers=num_workers,
        collate_fn=collate_fn,
        pin_memory=pin_memory,
        worker_init_fn=_ignore_ctrl_c,
        generator=torch.Generator(),
        persistent_workers=num_workers > 0,
    )


def evaluation_batches(n: int, batch_size: int) -> Sequence[torch.Tensor]:
    """The positions of this process's batches of n images in order, each (b,) on the CPU.

    Args:
        n: images of the split.
        batch_size: images a batch, >= 1; the last batch may be smaller.
    """
    batches = torch.split(torch.arange(n), batch_size) if n else ()
    return batches[world().share(len(batches))]


def stop_workers(loader: Iterable[Any]) -> None:
    """End a loader's worker processes now, where it has any.

    Left to Python's collector, each of them is waited for five seconds once a worker has raised.
    """
    end = getattr(getattr(loader, "_iterator", None), "_shutdown_workers", None)
    if end is not None:
        end()


def _ignore_ctrl_c(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal: let the main one finish its checkpoint first.

    SIGTERM ends a worker, whatever handler it inherited; torch needs that to stop it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
