"""`--devices W` of `train`, `pretrain`, `as3l` and `features`: the same command, in W processes.

The processes are started as torchrun starts them, which is the other way to have several.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from usb_ext.cli.command import Show
from usb_ext.core.errors import SettingsError

if TYPE_CHECKING:
    from usb_ext.settings import Settings
    from usb_ext.settings.processes import Refuse

DEVICES = "--devices"

SHARED = ("train", "pretrain", "as3l", "features")
"""Commands that several processes can do together."""

LOOKS = ("inspect", "configs", "check-config", "table", "doctor", "algorithms", "settings")
"""Commands that write nothing, which any process may do."""


def check_alone_for(command: str) -> None:
    """Refuse one of several processes a command that each of them would do in the same folder.

    Args:
        command: its name.

    Raises:
        SettingsError: naming the variable.
    """
    if command in (*SHARED, *LOOKS) or os.environ.get("WORLD_SIZE", "1").strip() in ("", "1"):
        return
    from usb_ext.training.together import check_alone

    check_alone(os.environ, f"`usb-ext {command}`")


def in_processes(
    command: Sequence[str],
    settings: "Settings",
    devices: int | None,
    show: Show,
    refuse: "Refuse | None" = None,
) -> int | None:
    """Do a command in the processes that the command line or USB's keys ask for.

    Args:
        command: its name and words, without `--devices`.
        settings: that the words give.
        devices: of the command line, or None.
        show: prints a text.
        refuse: raises for what so many processes cannot do; None for what they cannot train.

    Returns:
        The exit code; None where this process does the work, alone or as one of several.

    Raises:
        SettingsError: what several processes cannot do, or `--devices` in one of several processes.
        RunFailed: the machines do not meet.
    """
    from usb_ext.training.together import place_of

    place = place_of(os.environ)
    if place is not None:
        if devices is not None:
            raise SettingsError(
                f"{DEVICES} {devices} starts processes, but this is already one of {place.size} (WORLD_SIZE "
                f"is set); leave {DEVICES} out under torchrun, or unset WORLD_SIZE"
            )
        return None
    from usb_ext.settings.processes import refuse_several
    from usb_ext.training.launch import launch, wanted

    found = wanted(settings, devices)
    if found.note:
        show(found.note)
    if not found.several:
        return None
    (refuse or refuse_several)(settings, found.here * found.machines)
    return launch(settings, command, found)


def shared(
    command: Sequence[str],
    settings: "Settings",
    devices: int | None,
    show: Show,
    act: Callable[[], str],
    refuse: "Refuse | None" = None,
) -> int:
    """Do a command in as many processes as `in_processes` finds; the first one says what came of it.

    Args:
        command: as in `in_processes`, like the others.
        act: what each process does, once they have met; gives a text.

    Returns:
        The exit code.

    Raises:
        SettingsError, RunFailed: as in `in_processes` and `training.together`; and what `act` raises.
    """
    code = in_processes(command, settings, devices, show, refuse)
    if code is not None:
        return code
    from usb_ext.settings.processes import refuse_several
    from usb_ext.training.together import together

    with together(settings, refuse=refuse or refuse_several) as here:
        told = act()
    return show(told) if here.first else 0


def take_devices(words: Sequence[str]) -> tuple[list[str], int | None]:
    """The words without `--devices W`, and W.

    Args:
        words: of the command line.

    Raises:
        SettingsError: no whole number above 0.
    """
    left, found = list[str](), None
    waiting = False
    for word in words:
        name, equals, value = word.partition("=")
        if waiting or (name == DEVICES and equals):
            text = word if waiting else value
            if not text.isdecimal() or int(text) < 1:
                raise SettingsError(
                    f"{DEVICES} is {text!r}; give the number of processes, such as 2"
                )
            found, waiting = int(text), False
        elif word == DEVICES:
            waiting = True
        else:
            left.append(word)
    if waiting:
        raise SettingsError(f"{DEVICES} needs the number of processes, such as {DEVICES} 2")
    return left, found
