"""Studies of prior pseudo-labels: accuracy, class coverage and calibration by arm and number of labels.

AS3L, Table 6 (features of the choice), Table 9 (K), Table 10 (self-supervised method), Fig. 7 (C). Arms
that differ only in the spread of labels share their choice of images; what is there from the same settings
is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from matplotlib.figure import Figure

from usb_ext.as3l.workflow import pretrain_features
from usb_ext.core.errors import DataMissing
from usb_ext.papers.grid import Grid
from usb_ext.papers.prior_table import ALL_TO_BE_MADE, made_prior, spread_text
from usb_ext.papers.study import Made, Order, Row, Show, draw_mean, save
from usb_ext.papers.tables import read_table, table_names
from usb_ext.settings import Settings, load_settings

METRICS = {
    "accuracy": ("accuracy of prior pseudo-labels", "accuracy (%)", 1),
    "coverage": ("class coverage", "class coverage", 1),
    "ece": ("ECE", "ECE", 3),
}
"""Of each number its name in the papers' tables, our heading, and decimals."""


@dataclass(frozen=True)
class Arm:
    """One row of a study.

    Attributes:
        label: what it is called.
        changed: settings that make it.
        choice: name of its choice of images, which arms share that differ in the spread alone.
        spread: name of its spread.
        row: method and setting of the paper's row; None where the paper has none.
        place: on the horizontal axis, where arms are numbers.
    """

    label: str
    changed: Mapping[str, object]
    choice: str
    spread: str = "prior"
    row: tuple[str, str] | None = None
    place: float | None = None


def _space(strategy: str, space: str) -> Arm:
    how = {"kmedoids": "K-medoids", "as3l": "Multi-cluster"}[strategy]
    where = {"self": "self-supervised", "fine": "fine-tuned"}[space]
    row = f"{how} on {where} features"
    changed = {"as3l_strategy": strategy, "as3l_choose_on": space}
    return Arm(f"{how} on f_{space}", changed, f"{strategy}_{space}", row=(row, ""))


SPACE_ARMS = tuple(_space(*both) for both in product(("kmedoids", "as3l"), ("self", "fine")))
"""Table 6. ours: labels spread on f_fine in every row, as the first row's numbers are Table 8's."""

RUNS = (1, 2, 4, 6, 8, 10)
"""ours: values of C in Fig. 7, whose axis is lost."""

RUN_ARMS = tuple(Arm(f"C = {n}", {"as3l_runs": n}, f"runs{n}", place=float(n)) for n in RUNS)


def schedule_arms(settings: Settings) -> tuple[Arm, ...]:
    """Table 9: K of the six runs: the number of classes C, or C to 6 C, or C and five times 6 C."""
    found = []
    for times in ((1,) * 6, (1, 2, 3, 4, 5, 6), (1, *(6,) * 5)):
        clusters = tuple(settings.num_classes * n for n in times)
        text = f"K = [{', '.join(map(str, clusters))}]"
        spread = "k" + "".join(map(str, times))
        found.append(Arm(text, {"as3l_clusters": clusters}, "choice", spread, ("Proposed", text)))
    return tuple(found)


METHODS = {"simsiam": "SimSiam", "simclr": "SimCLR", "byol": "BYOL"}


def method_arms(settings: Settings, order: Order) -> tuple[Arm, ...]:
    """Table 10: each self-supervised method, pre-trained here, and each features file of the user's.

    Raises:
        DataMissing: a features file that is not there.
    """
    names = {m: f"{settings.ssl_name}_{m}" if settings.ssl_name else None for m in METHODS}
    arms = [
        Arm(
            title,
            {"ssl_method": method, "ssl_name": names[method], "features": None},
            method,
            row=None if method == "byol" else (title, "pre-trained on CIFAR-10"),
        )
        for method, title in METHODS.items()
    ]
    for name, path in order.features.items():
        if not path.is_file():
            raise DataMissing(f"--with {name}={path}: there is no such file")
        arms.append(Arm(name, {"features": str(path)}, f"own_{name}"))
    return tuple(arms)


def make_prior_study(
    name: str, arms: Sequence[Arm], settings: Settings, order: Order, show: Show
) -> Made:
    """Make what is missing of a study of prior pseudo-labels.

    Args:
        name: of the paper's table, whose numbers stand beside ours on CIFAR-10.
        arms: the rows.
        settings: of the data set and of the features.
        order: which cells.
        show: prints a line a stage.

    Raises:
        SettingsError: a data set whose classes are not known.
        DataMissing, RunFailed, Interrupted: as in the stages.
    """
    given = load_settings(settings.model_dump(), ALL_TO_BE_MADE).settings
    rows = []
    for arm in arms:
        asked = load_settings(given.model_dump(), dict(arm.changed)).settings
        pretrain_features(asked, show)
        for budget, seed in product(order.budgets, order.seeds):
            changed = {"num_labels": budget, "label_seed": seed, "overwrite": settings.overwrite}
            cell = load_settings(asked.model_dump(), changed).settings
            folder = order.out / f"{arm.choice}_{budget}_s{seed}"
            report = made_prior(cell, folder, arm.spread, show)
            numbers = {
                "accuracy": 100 * report["accuracy"],
                "coverage": report["class_coverage"],
                "ece": report["ece"],
            }
            rows.append({"arm": arm.label, "num_labels": budget, "seed": seed, **numbers})
    grid = study_grid(name, arms, rows, given.dataset)
    return Made(grid, rows, partial(_draw, arms, rows))


def study_grid(name: str, arms: Sequence[Arm], rows: Sequence[Row], dataset: str) -> Grid:
    """The table: of each number and number of labels mean ± std, on CIFAR-10 beside the paper's.

    Args:
        name: of the paper's table.
        arms: the rows.
        rows: the measurements.
        dataset: name of the data set.
    """
    paper = _paper(name) if dataset == "cifar10" else {}
    columns = [(m, n) for m in METRICS for n in sorted({_whole(row["num_labels"]) for row in rows})]
    header: list[tuple[str, ...]] = [("", "", "setting")]
    for metric, count in columns:
        for side in ("paper", "ours") if paper else ("ours",):
            header.append((METRICS[metric][1], f"{count} labels", side))
    body = []
    for arm in arms:
        line = [arm.label]
        for metric, count in columns:
            if paper:
                line.append(paper.get((*(arm.row or ("", "")), METRICS[metric][0], str(count)), ""))
            line.append(spread_text(_values(rows, arm, metric, count), METRICS[metric][2]))
        body.append(line)
    seeds = " ".join(str(seed) for seed in sorted({_whole(row["seed"]) for row in rows}))
    title = f"{name}: prior pseudo-labels on {dataset}, mean ± std over seeds"
    return Grid(title, header, body, [f"seeds {seeds}; an image without a prior counts as wrong"])


def _whole(value: object) -> int:
    return int(str(value))


def _values(rows: Sequence[Row], arm: Arm, metric: str, count: int) -> list[float]:
    own = [r for r in rows if (r["arm"], r["num_labels"]) == (arm.label, count)]
    return [float(str(row[metric])) for row in own]


def _paper(name: str) -> dict[tuple[str, str, str, str], str]:
    """What the paper printed by method, setting, metric and number of labels; empty for a figure."""
    if name not in table_names():
        return {}
    return {(c.method, c.setting, c.metric, c.labels): c.printed for c in read_table(name)}


def _draw(arms: Sequence[Arm], rows: Sequence[Row], path: Path) -> None:
    """A panel a number: over C where arms are numbers, else over the number of labels, a line an arm."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    counts = sorted({_whole(row["num_labels"]) for row in rows})
    for axes, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        if all(arm.place is not None for arm in arms):
            places = [arm.place for arm in arms if arm.place is not None]
            for count in counts:
                values = [_values(rows, arm, metric, count) for arm in arms]
                draw_mean(axes, places, values, f"{count} labels")
            axes.set(xlabel="C")
        else:
            for arm in arms:
                values = [_values(rows, arm, metric, count) for count in counts]
                draw_mean(axes, counts, values, arm.label)
            axes.set(xlabel="labels")
        axes.set(ylabel=METRICS[metric][1])
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="x-small")
    save(figure, path)
