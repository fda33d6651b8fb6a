"""`usb-ext prior-grid`: how good prior pseudo-labels are, by selection and propagation (AS3L, Table 8)."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from usb_ext.as3l.made import made_files
from usb_ext.as3l.workflow import choose, spread
from usb_ext.atomic_files import write_text
from usb_ext.cli.one_line import OneLineParser
from usb_ext.cli.settings_words import settings_of
from usb_ext.config.as3l import AUTO
from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings, load_settings

if TYPE_CHECKING:
    from usb_ext.papers.prior_table import PriorCell

HELP = "prior pseudo-labels of every selection x propagation x number of labels, in one table"
Show = Callable[[str], int]


def run(words: Sequence[str], show: Show) -> int:
    """Make what is missing of the grid, then print and write the table; gives the exit code.

    Args:
        words: after the command's name: its own flags, and settings as `train` takes them.
        show: prints a text.

    Raises:
        SettingsError: a flag or setting that is wrong, or a data set whose classes are not known.
        DataMissing, RunFailed, Interrupted: as in the stages.
    """
    parser = _parser()
    try:
        own, rest = parser.parse_known_args(list(words))
    except SystemExit:  # after --help
        return 0
    loaded = settings_of("prior-grid", rest, show)
    if loaded is None:
        return 0
    for budget in own.budgets:
        if budget < 1:
            raise SettingsError(f"--budgets holds {budget}; each must be at least 1")
    out = Path(own.out or Path(loaded.settings.save_dir) / "prior_grid")
    given = load_settings(loaded.settings.model_dump(), _ALL_TO_BE_MADE).settings
    if given.features is None:
        from usb_ext.cli.as3l import pretrain_features

        pretrain_features(given, show)
    cells = []
    for strategy, budget, seed in itertools.product(own.strategies, own.budgets, own.seeds):
        changed = {"as3l_strategy": strategy, "num_labels": budget, "label_seed": seed}
        for method in own.methods:
            asked = load_settings(given.model_dump(), {**changed, "as3l_method": method}).settings
            cells.append(_cell(asked, out / f"{strategy}_{budget}_s{seed}", show))
    from usb_ext.evidence.formats import as_markdown, as_text
    from usb_ext.papers.prior_table import prior_csv, prior_grid

    grid = prior_grid(cells, given.dataset)
    write_text(out / "prior_grid.md", as_markdown(grid) + "\n")
    write_text(out / "prior_grid.csv", prior_csv(cells))
    return show(f"{as_text(grid)}\n{out}/prior_grid.md .csv")


_ALL_TO_BE_MADE = {
    "algorithm": "as3l", "extensions": (), "base": None, "prior_label": None, "label_split": "file",
    "label_file": AUTO, "prior_file": AUTO,
}  # fmt: skip


def _parser() -> OneLineParser:
    from usb_ext.papers.prior_table import PROPAGATION, SELECTION

    parser = OneLineParser(
        prog="usb-ext prior-grid",
        description=HELP,
        epilog="every setting of `usb-ext train --help` is a flag here too; give --c FILE",
        allow_abbrev=False,
    )
    parser.add_argument("--strategies", nargs="+", choices=SELECTION, default=list(SELECTION))
    parser.add_argument("--methods", nargs="+", choices=PROPAGATION, default=list(PROPAGATION))
    parser.add_argument("--budgets", nargs="+", type=int, default=[10, 20, 40], metavar="N")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--out", metavar="DIR", help="default: save_dir/prior_grid")
    return parser


def _cell(s: Settings, folder: Path, show: Show) -> "PriorCell":
    """One cell, made if it is not there: the choice in `folder`, the priors in a folder below it."""
    from usb_ext.papers.prior_table import PriorCell

    made = made_files(s)._replace(
        selected=folder / "selected.json", prior=folder / s.as3l_method / "prior.npz"
    )
    choose(s, made, show)
    spread(s, made, show)
    report = json.loads((folder / s.as3l_method / "prior.json").read_text(encoding="utf-8"))
    if "accuracy" not in report:
        raise SettingsError(
            f"the classes of {s.dataset} are not known, so no accuracy can be measured; use a data set "
            "with classes"
        )
    return PriorCell(
        strategy=s.as3l_strategy,
        method=s.as3l_method,
        num_labels=s.num_labels,
        seed=s.split_seed,
        accuracy=100 * report["accuracy"],
        coverage=report["class_coverage"],
        ece=report["ece"],
    )
