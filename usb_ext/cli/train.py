"""`usb-ext train`: one run, and before it the stages of AS3L whose files its settings ask for.

`--devices W` starts it in W processes that train it together, as torchrun does.
"""

import os
from collections.abc import Sequence

from usb_ext.cli.command import SettingsCommand, Show, settings_of
from usb_ext.core.errors import SettingsError
from usb_ext.core.result import percent

DEVICES = "--devices"


def run_train(words: Sequence[str], show: Show) -> int:
    """Train one run, after the stages of AS3L where the settings ask for their files; gives the exit code.

    Args:
        words: after the command's name.
        show: prints a text, a line a stage.

    Raises:
        SettingsError, DataMissing, RunFailed, Interrupted: as in `training.train`.
    """
    words, devices = take_devices(words)
    loaded = settings_of("train", words, show)
    if loaded is None:
        return 0
    from usb_ext.as3l.driver import with_stages
    from usb_ext.core.processes import ALONE, entered, of_first
    from usb_ext.training.together import place_of, together
    from usb_ext.training.train import train

    place = place_of(os.environ)
    if place is None:
        from usb_ext.training.launch import launch, wanted

        found = wanted(loaded.settings, devices)
        if found.note:
            show(found.note)
        if found.several:
            with_stages(loaded, show)
            return launch(loaded.settings, words, found)
    elif devices is not None:
        raise SettingsError(
            f"{DEVICES} {devices} starts processes, but this is already one of {place.size} (WORLD_SIZE is "
            f"set); leave {DEVICES} out under torchrun, or unset WORLD_SIZE"
        )
    with together(loaded.settings) as here:
        if here.size > 1:
            with entered(ALONE):
                staged = with_stages(loaded, show) if here.first else loaded
            loaded = of_first(staged)
        else:
            loaded = with_stages(loaded, show)
        result = train(loaded)
        if not here.first:
            return 0
    return show(f"top1_last {percent(result.top1_last)}  {result.path}/result.json")


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


TRAIN = SettingsCommand(run_train)
