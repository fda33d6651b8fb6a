"""A process that dies at a file event: from that moment on it changes nothing on the disk any more.

Events are what changes names or content: a file opened for writing (before, and when it is empty), a file of
tensors (before, and half written), renaming, linking, removing, flushing, making a folder. What Python does
on its way out (`finally`) comes after the death, so it must not reach the disk either.
"""

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from usb_ext.core import lock

CHANGES = ("replace", "rename", "link", "unlink", "fsync", "mkdir", "rmdir", "ftruncate")


Point = int | tuple[str, int] | None


class Killed(BaseException):
    """The process is dead."""


class Killer:
    """Counts file events below a folder, and dies at one of them.

    Args:
        folder: events elsewhere do not count.
        at: number of the event to die at, from 0, or its name and how many of that name to let pass; None
            counts only.
        die: what happens then; by default `Killed` is raised, at every later event too.
    """

    def __init__(self, folder: Path, at: Point, die: Callable[[], None] | None = None) -> None:
        self.folder, self.at, self.die = str(folder), at, die
        self.events: list[str] = []
        self.last = ""

    def event(self, what: str, place: object) -> None:
        """Something is about to change."""
        if isinstance(place, int):
            with suppress(OSError):
                place = os.readlink(f"/proc/self/fd/{place}")
        if not str(place).startswith(self.folder):
            return
        self.events.append(f"{what} {Path(str(place)).name}")
        if not self.last and self._is_due():
            self.last = self.events[-1]
            if self.die is not None:
                self.die()
        if self.last:
            raise Killed(self.last)

    def _is_due(self) -> bool:
        if isinstance(self.at, tuple):
            return self.events.count(self.at[0]) > self.at[1]
        return self.at is not None and len(self.events) > self.at

    def opened(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """`open` with its two events."""

        def replacement(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            writes = any(letter in mode for letter in "wax+")
            if writes:
                self.event("open", file)
            found = original(file, mode, *rest, **named)
            if writes:
                try:
                    self.event("opened", file)
                except Killed:
                    found.close()
                    raise
            return found

        return replacement

    def saved(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """`torch.save` with its two events."""

        def replacement(state: Any, path: Path) -> None:
            self.event("save", path)
            original(state, path)
            whole = os.stat(path).st_size
            os.truncate(path, whole // 2)
            self.event("half saved", path)
            original(state, path)

        return replacement


@contextmanager
def dying(folder: Path, at: Point, die: Callable[[], None] | None = None) -> Iterator[Killer]:
    """Inside, the process dies at event `at` below the folder; the kernel then lets go of its locks."""
    killer = Killer(folder, at, die)
    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, _counted(killer, name, getattr(os, name)))
        patch.setattr(builtins, "open", killer.opened(builtins.open))
        patch.setattr(io, "open", killer.opened(io.open))
        patch.setattr(torch, "save", killer.saved(torch.save))
        try:
            yield killer
        finally:
            for descriptor in list(lock._ours):
                with suppress(OSError):
                    os.close(descriptor)
            lock._ours.clear()


def _counted(killer: Killer, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(place: Any, *rest: Any, **named: Any) -> Any:
        killer.event(name, place)
        return original(place, *rest, **named)

    return replacement
