"""What a stage prepares before an algorithm is built, and the wish to stop."""

import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from usb_ext.core.files import RunFolder
from usb_ext.core.processes import largest, world
from usb_ext.data.prepared import Prepared
from usb_ext.engine.hooks.record import Progress
from usb_ext.upstream.running import Batch, Datasets, OnEngine, State
from usb_ext.upstream.usb import Hook

_log = logging.getLogger(__name__)


Watch = Callable[[OnEngine], list[tuple[Hook, str, str]]]


STOPPING = "stopping after this step (again: stop at once)"


class Stop:
    """Set by a signal, read by the training loop after each step.

    Attributes:
        requested: the signal's number, 0 while nobody asked.
    """

    def __init__(self) -> None:
        self._asked = self._agreed = 0

    @property
    def requested(self) -> int:
        """The signal's number; of several processes what they last agreed on."""
        return self._asked if world().size == 1 else self._agreed

    @requested.setter
    def requested(self, number: int) -> None:
        self._asked = number

    def agree(self) -> None:
        """After a step: what one process was asked, all are asked; nothing with one process."""
        if world().size > 1:
            self._agreed = largest(self._asked)

    def unseen(self) -> None:
        """Ask to stop because nobody reads what the run says (`| head`): as shells see it, SIGPIPE."""
        self._asked = self._asked or int(signal.SIGPIPE)

    @contextmanager
    def on_signals(self, said: str = STOPPING) -> Iterator[None]:
        """Inside, Ctrl-C, SIGTERM and SIGHUP ask to stop after the running step; a second one stops at once.

        Args:
            said: what a person is told then.

        Outside the main thread Python cannot handle signals, and nothing changes; nor for a signal that is
        ignored, as `nohup` has it.
        """

        def ask(number: int, _: FrameType | None) -> None:
            self._asked = number
            for each, handler in before.items():
                signal.signal(each, handler)
            _log.warning("%s", said)

        before: dict[int, Any] = {}
        try:
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(each) is not signal.SIG_IGN:
                    before[int(each)] = signal.signal(each, ask)
        except ValueError:
            before.clear()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass
class Parts:
    """What the engine finds in `args.parts`.

    Attributes:
        device: where the run computes.
        amp: `off`, `bf16` or `fp16`.
        folder: the run's folder.
        progress: what a person sees.
        datasets: USB's names to data sets.
        settings: resolved settings as plain values, kept in checkpoints.
        stop: the wish to stop.
        data: the data of the run, once it is prepared.
        watches: what looks on while a method trains, each a function of the running algorithm that gives
            hooks with their names and USB's priorities; a method's own are named where a run is composed.
        loaders: every loader of the run, so that its worker processes end with it.
        sample: the images that batch norm is judged by, where it is judged afresh (`statistics.py`).
    """

    device: torch.device
    amp: str
    folder: RunFolder
    progress: Progress
    datasets: Datasets
    settings: State
    stop: Stop = field(default_factory=Stop)
    data: Prepared | None = None
    watches: tuple[Watch, ...] = ()
    loaders: list[Iterable[Batch]] = field(default_factory=list)
    sample: Iterable[Batch] | None = None
