"""`usb-ext pretrain`: features without labels, from the settings of a run (AS3L, Sec. 5.1.2)."""

from collections.abc import Callable, Sequence

from usb_ext.cli.settings_words import settings_of

HELP = "learn features without labels (SimSiam, SimCLR, BYOL): backbone.pth and features.npz"


def run(words: Sequence[str], show: Callable[[str], int]) -> int:
    """Pre-train as the settings say; gives the exit code.

    Args:
        words: after the command's name, as `train` takes them.
        show: prints a text.

    Raises:
        SettingsError, DataMissing, RunFailed, Interrupted: as in `stages.pretrain`.
    """
    loaded = settings_of("pretrain", words, show)
    if loaded is None:
        return 0
    from usb_ext.as3l.pretrain.stage import pretrain

    return show(pretrain(loaded))
