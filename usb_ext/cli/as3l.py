"""`usb-ext pretrain`, `as3l`, `prior-grid`: AS3L's stages driven by a run's settings (Secs. 4 and 5.1.2)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from usb_ext.cli.command import OneLineParser, SettingsCommand, Show, settings_of
from usb_ext.cli.processes import shared, take_devices
from usb_ext.cli.table import help_of
from usb_ext.core.errors import SettingsError
from usb_ext.settings.processes import refuse_several_pretraining


def run_pretrain(words: Sequence[str], show: Show) -> int:
    """Pre-train as the settings say; gives the exit code.

    Args:
        words: after the command's name, as `train` takes them.
        show: prints a text.

    Raises:
        SettingsError, DataMissing, RunFailed, Interrupted: as in `as3l.pretrain.stage`.
    """
    words, devices = take_devices(words)
    loaded = settings_of("pretrain", words, show)
    if loaded is None:
        return 0

    def act() -> str:
        from usb_ext.as3l.pretrain.stage import pretrain

        return pretrain(loaded)

    command, refuse = ["pretrain", *words], refuse_several_pretraining
    return shared(command, loaded.settings, devices, show, act, refuse)


def run_as3l(words: Sequence[str], show: Show) -> int:
    """Run what is missing of pre-training, choice, spread and training; gives the exit code.

    Args:
        words: after the command's name, as `train` takes them.
        show: prints a text, a line a stage.

    Raises:
        SettingsError: settings that do not lead from stage to stage, or outputs of other settings.
        DataMissing, RunFailed, Interrupted: as in the stages.
    """
    words, devices = take_devices(words)
    loaded = settings_of("as3l", words, show)
    if loaded is None:
        return 0

    def act() -> str:
        from usb_ext.as3l.workflow import make, train_on_made

        make(loaded.settings, show)
        return train_on_made(loaded.settings)

    return shared(["as3l", *words], loaded.settings, devices, show, act)


def run_prior_grid(words: Sequence[str], show: Show) -> int:
    """Make what is missing of the grid, then print and write the table; gives the exit code.

    Args:
        words: after the command's name: its own flags, and settings as `train` takes them.
        show: prints a text.

    Raises:
        SettingsError: a flag or setting that is wrong, or a data set whose classes are not known.
        DataMissing, RunFailed, Interrupted: as in the stages.
    """
    try:
        own, rest = _grid_parser().parse_known_args(list(words))
    except SystemExit:  # after --help
        return 0
    loaded = settings_of("prior-grid", rest, show)
    if loaded is None:
        return 0
    for budget in own.budgets:
        if budget < 1:
            raise SettingsError(f"--budgets holds {budget}; each must be at least 1")
    from usb_ext.papers.prior_table import GridOrder, make_prior_grid

    order = GridOrder(
        strategies=own.strategies,
        methods=own.methods,
        budgets=own.budgets,
        seeds=own.seeds,
        out=Path(own.out or Path(loaded.settings.save_dir) / "prior_grid").expanduser(),
    )
    return show(make_prior_grid(loaded.settings, order, show))


def _grid_parser() -> argparse.ArgumentParser:
    from usb_ext.papers.prior_table import PROPAGATION, SELECTION

    parser = OneLineParser(
        prog="usb-ext prior-grid",
        description=help_of("prior-grid"),
        epilog="every setting (`usb-ext settings WORD`) is a flag here too; give --c FILE",
        allow_abbrev=False,
    )
    parser.add_argument("--strategies", nargs="+", choices=SELECTION, default=list(SELECTION))
    parser.add_argument("--methods", nargs="+", choices=PROPAGATION, default=list(PROPAGATION))
    parser.add_argument("--budgets", nargs="+", type=int, default=[10, 20, 40], metavar="N")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--out", metavar="DIR", help="default: save_dir/prior_grid")
    return parser


PRETRAIN = SettingsCommand(run_pretrain)
AS3L = SettingsCommand(run_as3l)
PRIOR_GRID = SettingsCommand(run_prior_grid)
