"""`usb-ext train`: one run, and before it the stages of AS3L whose files its settings ask for."""

from collections.abc import Sequence

from usb_ext.cli.command import SettingsCommand, Show, settings_of
from usb_ext.cli.processes import shared, take_devices
from usb_ext.core.result import percent


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

    def act() -> str:
        from usb_ext.as3l.driver import with_stages
        from usb_ext.training.train import train

        result = train(with_stages(loaded, show))
        return f"top1_last {percent(result.top1_last)}  {result.path}/result.json"

    return shared(["train", *words], loaded.settings, devices, show, act)


TRAIN = SettingsCommand(run_train)
