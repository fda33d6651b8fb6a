"""The batch-norm statistics that a run is judged by: those that ran along, or those of images, made afresh.

Batch norm keeps r <- (1 - m) r + m x, so after n steps (1 - m)^n of the initial r is left. USB's WideResNets
have m = 0.001: after 1,500 steps a fifth of what evaluation divides by is still the initial 1, and how much
that costs is not the same for two methods. `bn_statistics: fresh` computes the statistics of the averaged
weights on images of the training set instead ("precise" batch norm), before every evaluation and for every
checkpoint. Nothing of it reaches training.
"""

import copy
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from usb_ext.core.processes import ALONE, entered
from usb_ext.data.loaders import eval_loader
from usb_ext.data.preprocessing import preprocessing_of
from usb_ext.upstream.running import Batch, OnEngine, Served, served
from usb_ext.upstream.text_nets import collate_of

_log = logging.getLogger(__name__)

BATCH = 256
"""ours: images whose mean and variance are taken together; the result must not depend on eval_batch_size."""
SAMPLE = 0xB47C
"""Stream of random numbers that draws the images; a run's seed does not enter, so methods see the same."""


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The layers that normalise by running statistics when they are evaluated."""
    kind = nn.modules.batchnorm._BatchNorm
    return [m for m in network.modules() if isinstance(m, kind) and m.running_mean is not None]


def in_force(network: nn.Module, setting: str) -> str:
    """By what a run is judged, for its record: `running`, `fresh`, or `none` without batch norm."""
    return setting if batch_norms(network) else "none"


@torch.no_grad()
def compute_statistics(
    network: nn.Module, batches: Iterable[Batch], device: torch.device
) -> dict[str, torch.Tensor]:
    """Put the mean over batches of each batch's mean and unbiased variance into a network's batch norm.

    Every other layer is in evaluation mode, so dropout draws nothing. Afterwards the network is in
    evaluation mode, its batch norm with the momentum that it had.

    Args:
        network: its buffers `running_mean` and `running_var`, (C,) a layer, are replaced.
        batches: yields {"x_lb": (B, ...)} of equal B > 1.
        device: where the network is.

    Returns:
        What the buffers held before, by name of the network's state.
    """
    layers = batch_norms(network)
    buffers = {id(b) for layer in layers for b in layer.buffers(recurse=False)}
    before = {n: b.clone() for n, b in network.named_buffers() if id(b) in buffers}
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch: the mean over all batches
        layer.train()
    try:
        for batch in batches:
            network(batch["x_lb"].to(device, non_blocking=True))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        network.eval()
    return before


@contextmanager
def fresh_statistics(
    network: nn.Module, batches: Iterable[Batch], device: torch.device
) -> Iterator[None]:
    """Inside, a network is in evaluation mode with statistics of these images; then its own come back.

    Of several processes each computes all of them, so that they are the same numbers whatever their number.

    Args:
        network: as in `compute_statistics`, like the others.
    """
    with entered(ALONE):
        before = compute_statistics(network, batches, device)
    try:
        yield
    finally:
        for name, buffer in network.named_buffers():
            if name in before:
                buffer.copy_(before[name])


@contextmanager
def averaged_network(algorithm: OnEngine) -> Iterator[nn.Module]:
    """The averaged network as it is evaluated and saved; what it had comes back, and it trains on.

    Args:
        algorithm: the running algorithm.
    """
    algorithm.ema.copy_buffers()
    network = algorithm.ema_model
    fresh = algorithm.args.bn_statistics == "fresh" and batch_norms(network)
    try:
        with _refreshed(algorithm, network) if fresh else nullcontext():
            yield network.eval()
    finally:
        network.train()


@contextmanager
def _refreshed(algorithm: OnEngine, network: nn.Module) -> Iterator[None]:
    """Inside, fresh statistics in the network; how long they take is said once a run."""
    parts, start = algorithm.args.parts, time.perf_counter()
    known, positions = parts.sample, _positions(algorithm)
    with entered(ALONE):
        parts.sample = known or _sample_loader(algorithm, positions)
    with fresh_statistics(network, parts.sample, algorithm.device):
        if known is None:
            seconds = time.perf_counter() - start
            _log.info(
                "batch norm is judged by statistics of %d training images, computed at each evaluation: "
                "%.2g s",
                *(len(positions), seconds),
            )
        yield


class Sample:
    """Some of a data set's images, in order.

    Args:
        images: the data set.
        positions: (n,) which.
    """

    def __init__(self, images: Served, positions: NDArray[np.int64]) -> None:
        self.images, self.positions = images, positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, position: int) -> Batch:
        return {"x_lb": self.images[int(self.positions[position])]["x_lb"]}


def _sample_loader(algorithm: OnEngine, positions: NDArray[np.int64]) -> Iterable[Batch]:
    args = algorithm.args
    sample = Sample(without_augmentation(algorithm, _split(algorithm)), positions)
    size = min(BATCH, len(sample))
    loader = eval_loader(sample, size, args.num_workers, collate_of(args))
    args.parts.loaders.append(loader)
    return loader


def _split(algorithm: OnEngine) -> str:
    """The images that most of a batch is made of."""
    return "train_lb" if algorithm.dataset_dict["train_ulb"] is None else "train_ulb"


def _positions(algorithm: OnEngine) -> NDArray[np.int64]:
    total = len(served(algorithm.dataset_dict, _split(algorithm)))
    return sample_positions(total, algorithm.args.bn_images)


def sample_positions(total: int, images: int) -> NDArray[np.int64]:
    """Which training images statistics are computed from, whatever the run's seed.

    Args:
        total: how many there are.
        images: most that are taken.

    Returns:
        (n,) ascending positions, n whole batches of `BATCH` or one that is smaller.
    """
    n = min(images, total)
    n = n if n < BATCH else n // BATCH * BATCH
    drawn = np.random.default_rng(SAMPLE).choice(total, n, replace=False)
    return np.sort(drawn).astype(np.int64)


def without_augmentation(algorithm: OnEngine, split: str) -> Served:
    """A training set under the evaluation view, as `x_lb`; its classes are left as they are.

    Args:
        algorithm: the running algorithm.
        split: `train_lb` or `train_ulb`.
    """
    sets = algorithm.dataset_dict
    plain = copy.copy(served(sets, split))
    plain.is_ulb, plain.alg = False, "fullysupervised"
    evaluated = sets.get("val") if sets["eval"] is None else sets["eval"]
    plain.transform = preprocessing_of(sets) if evaluated is None else evaluated.transform
    if plain.targets is None:
        plain.targets = np.full(len(plain), -1, dtype=np.int64)
    return plain
