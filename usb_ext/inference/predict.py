"""Class probabilities of many examples, in batches; files are read ahead while the network computes."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from usb_ext.data.decode import BadImage
from usb_ext.data.preprocessing import Preprocessing
from usb_ext.inference.inputs import File, Images, listed, read, read_or_refuse

FloatArray = NDArray[np.float32]
BATCH_SIZE = 64
"""ours: examples that go through the network at once where nothing else is asked for."""

READERS = 4
"""ours: threads that decode files, at most; a machine with fewer cores has as many."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a run says of N examples.

    Attributes:
        classes: N names, each the most probable class.
        probabilities: (N, K) float32, the softmax of the logits; columns in the order of the run's classes.
    """

    classes: tuple[str, ...]
    probabilities: FloatArray


@dataclass(frozen=True, eq=False)
class FilesPredicted:
    """What a network says of files.

    Attributes:
        good: (n,) positions of the files that could be decoded, ascending.
        probabilities: (n, K) of those.
        bad: the others' positions, each with the reason.
    """

    good: NDArray[np.int64]
    probabilities: FloatArray
    bad: dict[int, str]


@torch.inference_mode()
def forward(network: nn.Module, inputs: torch.Tensor) -> FloatArray:
    """Probabilities (B, K) of a batch (B, ...) that lies on the CPU; softmax of the logits in float32."""
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    logits: torch.Tensor = network(inputs.to(device))["logits"]
    found: FloatArray = torch.softmax(logits.float(), dim=-1).cpu().numpy()
    return found


def predict(
    network: nn.Module,
    transform: Preprocessing,
    classes: Sequence[str],
    images: Images,
    batch_size: int = BATCH_SIZE,
) -> Prediction:
    """Predict examples, all of which must be usable.

    Args:
        network: from a batch to `{"logits": (B, K)}`, in evaluation mode.
        transform: from one example to the network's input.
        classes: K names.
        images: as `inputs.Images` says.
        batch_size: examples a batch, >= 1.

    Raises:
        DataMissing: a file that cannot be decoded.
        SettingsError: something that is no example of this run.
    """
    examples = listed(images, transform)
    parts: list[FloatArray] = [np.empty((0, len(classes)), np.float32)]
    for start in range(0, len(examples), batch_size):
        end = min(start + batch_size, len(examples))
        inputs = [read_or_refuse(i, examples[i], transform) for i in range(start, end)]
        parts.append(forward(network, torch.stack(inputs)))
    found = np.concatenate(parts)
    return Prediction(tuple(classes[i] for i in found.argmax(axis=1)), found)


def predict_files(
    network: nn.Module,
    transform: Preprocessing,
    num_classes: int,
    files: Sequence[File],
    batch_size: int = BATCH_SIZE,
    done: Callable[[int], object] = lambda _: None,
) -> FilesPredicted:
    """Predict image files; those that cannot be decoded are left out, with the reason.

    Args:
        network: as in `predict`, like `transform`.
        num_classes: K.
        files: their paths.
        batch_size: files a batch, >= 1.
        done: told after each batch how many more files are done.
    """
    good: list[int] = []
    bad: dict[int, str] = {}
    parts: list[FloatArray] = [np.empty((0, num_classes), np.float32)]
    for positions, found in _read_ahead(files, transform, batch_size):
        inputs = []
        for position, one in zip(positions, found, strict=True):
            if isinstance(one, BadImage):
                bad[position] = str(one)
            else:
                good.append(position)
                inputs.append(one)
        if inputs:
            parts.append(forward(network, torch.stack(inputs)))
        done(len(positions))
    return FilesPredicted(np.array(good, dtype=np.int64), np.concatenate(parts), bad)


def _read_ahead(
    files: Sequence[File], transform: Preprocessing, size: int
) -> Iterator[tuple[range, list[torch.Tensor | BadImage]]]:
    """Each batch's positions and inputs, the next one being read meanwhile."""

    def attempt(path: File) -> torch.Tensor | BadImage:
        try:
            return read(path, transform)
        except BadImage as error:
            return error

    waiting: deque[tuple[range, list[Future[torch.Tensor | BadImage]]]] = deque()
    with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), size):
            positions = range(start, min(start + size, len(files)))
            waiting.append((positions, [pool.submit(attempt, files[i]) for i in positions]))
            if len(waiting) > 1:
                ready, futures = waiting.popleft()
                yield ready, [future.result() for future in futures]
        for ready, futures in waiting:
            yield ready, [future.result() for future in futures]
