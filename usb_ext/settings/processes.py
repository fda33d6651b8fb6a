"""Which runs several processes can train together, told from the settings alone.

On our step every base and extension can: the loss is that of the whole batch in every process. USB's other
algorithms have a step of their own on the rows of one process. Where its loss is a mean over rows, the mean
over equal shares is the same number; where rows meet each other (mixing, graphs, queues) or random numbers
are drawn in the step, it is not, and the run is refused.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from usb_ext.core.errors import SettingsError
from usb_ext.settings.algorithms import ALGORITHMS, BASES
from usb_ext.settings.kinds import multiples_around

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

Refuse = Callable[["Settings", int], None]
"""Raises for what keeps so many processes from working together."""

MEANS = ("defixmatch", "fullysupervised", "meanteacher", "pimodel", "supervised")
"""Algorithms of USB's own whose losses are means over rows, and nothing else."""

ROWS_MEET = {
    "comatch": "its graph and its queue are of the rows of one process",
    "crmatch": "it trains a network of its own that rotates rows",
    "mixmatch": "it mixes rows of the batch with each other, drawn in the step",
    "remixmatch": "it mixes rows of the batch with each other, drawn in the step",
    "simmatch": "its memory is of the rows of one process",
    "vat": "it draws a direction for each row in the step",
}
"""Those that are refused, and why."""


def refuse_several(settings: "Settings", size: int) -> None:
    """Raise one error for everything that keeps a run from being trained by several processes.

    Args:
        settings: of the run.
        size: processes, W.

    Raises:
        SettingsError: with the sentences, joined by semicolons.
    """
    _refuse(_sentences(settings, size), size)


def refuse_several_pretraining(settings: "Settings", size: int) -> None:
    """Raise one error for everything that keeps several processes from pre-training together.

    Args:
        settings: of the run.
        size: processes, W.

    Raises:
        SettingsError: with the sentences, joined by semicolons.
    """
    _refuse(_of_pretraining(settings, size), size)


def refuse_several_features(settings: "Settings", size: int) -> None:
    """Raise an error for what keeps several processes from making features together; as the others here."""
    _refuse(_device(settings, size), size)


def _refuse(sentences: Iterator[str], size: int) -> None:
    """Raise one error of all sentences, where there is more than one process."""
    if size > 1 and (found := list(sentences)):
        raise SettingsError("; ".join(found))


def _of_pretraining(s: "Settings", size: int) -> Iterator[str]:
    yield from _device(s, size)
    if s.ssl_batch_size < size and s.ssl_epochs:
        yield (
            f"ssl_batch_size is {s.ssl_batch_size}, the batch of all processes together, for {size} "
            f"processes; use ssl_batch_size: {size} at least"
        )


def _device(s: "Settings", size: int) -> Iterator[str]:
    if s.device == "mps" or ":" in s.device:
        yield f"device is {s.device}, one device for {size} processes; use device: auto, cpu or cuda"


def _sentences(s: "Settings", size: int) -> Iterator[str]:
    one = "train it in one process"
    if s.imb_algorithm is not None:
        yield f"imb_algorithm {s.imb_algorithm} works on the rows of one process; {one}"
    ours = s.algorithm in ALGORITHMS or (s.algorithm in BASES and s.step == "ours")
    if not ours:
        yield from _own_step(s, size, one)
    yield from _device(s, size)
    if s.batch_size < size:
        yield (
            f"batch_size is {s.batch_size}, the batch of all processes together, for {size} processes; use "
            f"batch_size: {size} at least, or {s.batch_size} processes"
        )
    if "influence" in s.active_extensions and s.influence_val_batch < size:
        yield (
            f"influence_val_batch is {s.influence_val_batch} for {size} processes; use {size} at least"
        )


def _own_step(s: "Settings", size: int, one: str) -> Iterator[str]:
    """USB's own classes."""
    if s.algorithm in BASES:
        yield f"step: usb runs USB's class, whose statistics are of one process; use step: ours, or {one}"
    elif s.algorithm not in MEANS:
        why = ROWS_MEET.get(s.algorithm, "its step is not known to be a mean over rows")
        yield f"algorithm {s.algorithm} cannot be shared by processes: {why}; {one}"
    elif s.batch_size % size:
        yield (
            f"batch_size is {s.batch_size}, which {size} processes do not divide, as the mean of USB's "
            f"{s.algorithm} needs; use {multiples_around(s.batch_size, size)}"
        )
