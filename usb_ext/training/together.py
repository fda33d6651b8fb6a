"""One run by several processes: how a process knows that it is one of them, and who speaks for all.

`torchrun`, `usb-ext train --devices` and USB's `multiprocessing_distributed` start the processes with the
same four variables in their environment. Each process meets the others, makes sure that all have the same
settings and code, and trains. An error is told once, by the process that claims it first.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch._C._distributed_c10d import Store

from usb_ext.core.errors import Interrupted, SettingsError, ToldElsewhere, UsbExtError
from usb_ext.core.processes import ProcessLost, World, joined, of_all, world
from usb_ext.core.runtime import commit, versions
from usb_ext.settings import Settings
from usb_ext.settings.digest import differing_between_processes
from usb_ext.settings.processes import Refuse, refuse_several

VARIABLES = ("RANK", "MASTER_ADDR", "MASTER_PORT")
"""What a launcher sets beside WORLD_SIZE."""

TOLD, DONE, HEARD = "usb_ext/told", "usb_ext/done", "usb_ext/heard"
"""Keys of the processes' store: who tells the error, that the first process has written everything, and of
each other process that it knows who tells it."""

PATIENCE = 3.0
"""ours: seconds that a process which has lost another one leaves it to tell the reason."""

WRITING = 600.0
"""ours: seconds that the others wait at most while the first process writes what is left of a stopped run."""


@dataclass(frozen=True)
class Place:
    """Where a process stands among those that its launcher has started.

    Attributes:
        rank: its number, from 0.
        size: how many there are, above 1.
        local: its number on this machine, from 0.
    """

    rank: int
    size: int
    local: int


def place_of(environment: Mapping[str, str]) -> Place | None:
    """This process's place, or None where it is the only one.

    Args:
        environment: variables of the process.

    Raises:
        SettingsError: WORLD_SIZE without the variables that launchers set beside it.
    """
    text = environment.get("WORLD_SIZE", "1").strip()
    if not text.isdecimal() or int(text) <= 1:
        return None
    lacking = [name for name in VARIABLES if not environment.get(name, "").strip()]
    if lacking:
        raise SettingsError(
            f"WORLD_SIZE is {text} in the environment, but not {', '.join(lacking)}, which torchrun sets "
            f"with it; start the run by torchrun or by --devices {text}, or unset WORLD_SIZE"
        )
    numbers = [environment[name].strip() for name in ("RANK", "MASTER_PORT")]
    local = environment.get("LOCAL_RANK", "0").strip()
    if not all(number.isdecimal() for number in (*numbers, local)) or int(numbers[0]) >= int(text):
        raise SettingsError(
            f"RANK is {numbers[0]!r}, LOCAL_RANK {local!r} and MASTER_PORT {numbers[1]!r} for WORLD_SIZE "
            f"{text}; start the run by torchrun, which sets them, or unset WORLD_SIZE"
        )
    return Place(int(numbers[0]), int(text), int(local))


def check_alone(environment: Mapping[str, str], what: str) -> None:
    """Refuse to be one of several processes, each of which would do the same work in the same folder.

    Args:
        environment: variables of the process.
        what: the work that one process does.

    Raises:
        SettingsError: naming the variable.
    """
    place = place_of(environment)
    if place is not None:
        raise SettingsError(
            f"WORLD_SIZE is {place.size} in the environment, as torchrun sets it, but {what} is done by one "
            "process; give the command without torchrun, or unset WORLD_SIZE"
        )


@contextlib.contextmanager
def together(
    settings: Settings,
    environment: Mapping[str, str] = os.environ,
    *,
    refuse: Refuse = refuse_several,
) -> Iterator[World]:
    """Inside, the run's processes have met and agree on its settings; one process meets nobody.

    Args:
        settings: of the run.
        environment: variables of the process.
        refuse: raises for what so many processes cannot do.

    Raises:
        SettingsError: a run that several processes cannot train, or other settings in another process.
        RunFailed: the others do not come.
        ToldElsewhere: an error that another process tells.
    """
    place = place_of(environment)
    if place is None and settings.world_size > 1 and world().size == 1:
        raise SettingsError(
            f"world_size is {settings.world_size}, but nothing has started this process as one of several; "
            "use `usb-ext train` or torchrun, or world_size: 1"
        )
    if place is None or world().size > 1:
        yield world()
        return
    cuda = uses_cuda(settings)
    store = None
    try:
        refuse(settings, place.size)
        _check_devices(place, cuda)
        with joined(place.rank, place.size, place.local, cuda, settings.meet_seconds) as here:
            store = here.store
            _agree(settings)
            yield here
            _say(store, DONE)
    except (UsbExtError, Interrupted) as error:
        if not _speaks(error, place, store):
            raise ToldElsewhere(error.exit_code) from error
        raise


def uses_cuda(settings: Settings) -> bool:
    """Whether each process has a GPU of its own."""
    return settings.device in ("auto", "cuda") and torch.cuda.is_available()


def _check_devices(place: Place, cuda: bool) -> None:
    there = torch.cuda.device_count() if cuda else 0
    if cuda and place.local >= there:
        raise SettingsError(
            f"torch sees {there} CUDA device(s) for {place.local + 1} processes or more on this machine; "
            f"start {there}, or use --device cpu"
        )


def _agree(settings: Settings) -> None:
    """Refuse other settings or code in another process."""
    mine = settings.model_dump(mode="json")
    for rank, (values, theirs) in enumerate(of_all((mine, _code()))):
        if rank == 0:
            first, code = values, theirs
        changed = differing_between_processes(first, values)
        if changed:
            told = ", ".join(f"{k} ({a} and {b})" for k, (a, b) in changed.items())
            raise SettingsError(
                f"processes 0 and {rank} have other settings: {told}; start all with the same"
            )
        if code != theirs:
            raise SettingsError(
                f"processes 0 and {rank} run other code: {code} and {theirs}; install the same versions"
            )


def _code() -> str:
    found = versions()
    return f"usb_ext {found['usb_ext']} ({commit() or 'no commit'}), torch {found['torch']}"


def _speaks(error: UsbExtError | Interrupted, place: Place, store: Store | None) -> bool:
    """Whether this process tells the error; the first one that claims it does.

    The first process of a stopped run has a record to write, and others that ended before would take it with
    them. One that has only lost another lets that one speak. The first one may keep the store, so it ends
    after the others have asked there.
    """
    if store is None:
        return place.rank == 0 or not isinstance(error, SettingsError)
    if place.rank == 0:
        _say(store, DONE)
    elif isinstance(error, Interrupted):
        _wait(store, [DONE], WRITING)
    if isinstance(error, ProcessLost):
        _wait(store, [TOLD], PATIENCE)
    speaks = _claims(store, str(place.rank))
    if place.rank:
        _say(store, f"{HEARD}/{place.rank}")
    elif not isinstance(error, ProcessLost):
        _wait(store, [f"{HEARD}/{rank}" for rank in range(1, place.size)], PATIENCE)
    return speaks


def _say(store: Store | None, key: str) -> None:
    with contextlib.suppress(RuntimeError):
        if store is not None:
            store.set(key, "1")


def _wait(store: Store, keys: list[str], seconds: float) -> None:
    """Until keys are there, or so many seconds."""
    end = time.monotonic() + seconds
    with contextlib.suppress(RuntimeError):
        while not store.check(keys) and time.monotonic() < end:
            time.sleep(0.05)


def _claims(store: Store, rank: str) -> bool:
    try:
        said: bytes = store.compare_set(TOLD, "", rank)
    except RuntimeError:  # the machine that keeps the store is gone
        return True
    return said.decode() == rank
