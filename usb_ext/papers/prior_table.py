"""Accuracy of prior pseudo-labels by selection, propagation and number of labels (AS3L, Table 8)."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

from usb_ext.as3l.workflow import Show, choose, made_files, pretrain_features, spread
from usb_ext.comparison.statistics import mean_and_spread
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import read_json, write_text
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.papers.grid import Grid, as_markdown, as_text
from usb_ext.papers.tables import read_table
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.as3l import AUTO

TABLE = "as3l-8"
SELECTION = {
    "random": "Random selection",
    "coreset": "Coreset selection",
    "kmedoids": "K-medoids selection",
    "usl": "USL selection",
    "as3l": "Proposed selection",
}
PROPAGATION = {"llgc": "LLGC propagation", "seed_kmeans": "Proposed propagation"}


@dataclass(frozen=True)
class PriorCell:
    """Prior pseudo-labels of one choice.

    Attributes:
        strategy: how the labelled images were chosen.
        method: how their labels spread.
        num_labels: labelled images.
        seed: of every draw.
        accuracy: of all images, in percent.
        coverage: classes that have a label.
        ece: expected calibration error, in [0, 1].
    """

    strategy: str
    method: str
    num_labels: int
    seed: int
    accuracy: float
    coverage: int
    ece: float


@dataclass(frozen=True)
class GridOrder:
    """Which cells are wanted.

    Attributes:
        strategies: names of SELECTION.
        methods: names of PROPAGATION.
        budgets: numbers of labelled images, each >= 1.
        seeds: of every draw.
        out: folder of the choices, the priors and the table.
    """

    strategies: Sequence[str]
    methods: Sequence[str]
    budgets: Sequence[int]
    seeds: Sequence[int]
    out: Path


def make_prior_grid(settings: Settings, order: GridOrder, show: Show) -> str:
    """Make what is missing of the grid, write the table, and give it as text.

    Args:
        settings: of the data set and of the features.
        order: which cells.
        show: prints a line a stage.

    Raises:
        SettingsError: a data set whose classes are not known.
        DataMissing, RunFailed, Interrupted: as in the stages.
    """
    check_outputs(order.out, OUTPUTS)
    given = load_settings(settings.model_dump(), ALL_TO_BE_MADE).settings
    if given.features is None:
        pretrain_features(given, show)
    cells = []
    for strategy, budget, seed in product(order.strategies, order.budgets, order.seeds):
        changed = {"as3l_strategy": strategy, "num_labels": budget, "label_seed": seed}
        for method in order.methods:
            asked = load_settings(given.model_dump(), {**changed, "as3l_method": method}).settings
            cells.append(_cell(asked, order.out / f"{strategy}_{budget}_s{seed}", show))
    grid = prior_grid(cells, given.dataset)
    claim_outputs(order.out, OUTPUTS)
    write_text(order.out / "prior_grid.md", as_markdown(grid) + "\n")
    write_text(order.out / "prior_grid.csv", prior_csv(cells))
    return f"{as_text(grid)}\n{order.out}/prior_grid.md .csv"


OUTPUTS = ("prior_grid.md", "prior_grid.csv")
ALL_TO_BE_MADE = {
    "algorithm": "as3l", "extensions": (), "base": None, "prior_label": None, "label_split": "file",
    "label_file": AUTO, "prior_file": AUTO,
}  # fmt: skip
"""Settings under which choice and priors are made by the stages."""


def made_prior(s: Settings, folder: Path, below: str, show: Show) -> dict[str, Any]:
    """The report on prior pseudo-labels that are made if they are not there.

    Args:
        s: of the choice and the spread, both of which are to be made.
        folder: of the choice.
        below: folder of the priors in it.
        show: prints a line a stage.

    Returns:
        Content of `prior.json`: `accuracy` and `ece` in [0, 1], `class_coverage` in classes.

    Raises:
        SettingsError: a data set whose classes are not known.
        DataMissing, RunFailed: as in the stages.
    """
    made = made_files(s)._replace(
        selected=folder / "selected.json", prior=folder / below / "prior.npz"
    )
    choose(s, made, show)
    spread(s, made, show)
    place = folder / below / "prior.json"
    report = read_json(place, "the report on prior pseudo-labels", "make it again with --overwrite")
    if "accuracy" not in report:
        raise SettingsError(
            f"the classes of {s.dataset} are not known, so no accuracy can be measured; use a data set "
            "with classes"
        )
    return dict(report)


def _cell(s: Settings, folder: Path, show: Show) -> PriorCell:
    """One cell, made if it is not there: the choice in `folder`, the priors in a folder below it."""
    report = made_prior(s, folder, s.as3l_method, show)
    return PriorCell(
        strategy=s.as3l_strategy,
        method=s.as3l_method,
        num_labels=s.num_labels,
        seed=s.split_seed,
        accuracy=100 * report["accuracy"],
        coverage=report["class_coverage"],
        ece=report["ece"],
    )


def prior_grid(cells: Sequence[PriorCell], dataset: str) -> Grid:
    """The table: mean ± std over the seeds, and for CIFAR-10 the paper's number beside it.

    Args:
        cells: one a strategy, method, number of labels and seed.
        dataset: name of the data set.
    """
    counts = sorted({cell.num_labels for cell in cells})
    paper = _paper() if dataset == "cifar10" else {}
    header: list[tuple[str, ...]] = [("", "selection"), ("", "propagation")]
    for count in counts:
        header += [
            (f"{count} labels", side) for side in (("paper", "ours") if paper else ("ours",))
        ]
    body = []
    for strategy, method in dict.fromkeys((c.strategy, c.method) for c in cells):
        line = [strategy, method]
        for count in counts:
            own = [c.accuracy for c in cells if _key(c) == (strategy, method, count)]
            line += [paper.get((strategy, method, count), "")] if paper else []
            line.append(spread_text(own))
        body.append(line)
    seeds = " ".join(str(seed) for seed in sorted({cell.seed for cell in cells}))
    title = f"Accuracy of prior pseudo-labels on {dataset}, %, mean ± std (AS3L, Table 8)"
    return Grid(title, header, body, [f"seeds {seeds}; an image without a prior counts as wrong"])


def prior_csv(cells: Sequence[PriorCell]) -> str:
    """Every cell as a line, numbers with all their digits."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [f.name for f in fields(PriorCell)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, cells))
    return stream.getvalue()


def _key(cell: PriorCell) -> tuple[str, str, int]:
    return cell.strategy, cell.method, cell.num_labels


def spread_text(values: Sequence[float], digits: int = 1) -> str:
    """Mean, sample standard deviation and number of values, such as 65.0±7.1 (n=2); empty for none."""
    if not values:
        return ""
    found = mean_and_spread(values)
    spread = "" if found.std is None else f"±{found.std:.{digits}f}"
    return f"{found.mean:.{digits}f}{spread} (n={found.n})"


def _paper() -> dict[tuple[str, str, int], str]:
    """What the paper printed, by our names."""
    printed = {(c.method, c.setting, c.labels): c.printed for c in read_table(TABLE)}
    return {
        (strategy, method, int(number)): text
        for strategy, selection in SELECTION.items()
        for method, propagation in PROPAGATION.items()
        for (row, setting, number), text in printed.items()
        if (row, setting) == (selection, propagation)
    }
