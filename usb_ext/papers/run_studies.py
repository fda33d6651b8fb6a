"""What studies of runs share: arms become a comparison, a comparison a table and a picture.

An arm is a method at a place of what is varied (a threshold, a momentum). All arms run on the same folds, by
the stage of `usb-ext compare`, whose report is kept beside the study's table.
"""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from usb_ext.comparison.against import Other
from usb_ext.comparison.methods import OWN, Method
from usb_ext.comparison.methods import Order as Comparison
from usb_ext.comparison.numbers import correct, gain
from usb_ext.comparison.plan import Planned, make_plan, pair_seeds
from usb_ext.comparison.stage import compare
from usb_ext.comparison.statistics import mean_and_spread
from usb_ext.comparison.tables import holm_value, p_value, signed
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.papers.grid import Grid
from usb_ext.papers.prior_table import spread_text
from usb_ext.papers.study import Order, Row, Show, draw_mean, save
from usb_ext.settings import Settings

Reference = Callable[[str, str], tuple[str, str] | None]
"""Of a line and a place the line and place that its gains are over; None where there are none."""


@dataclass(frozen=True)
class RunArm:
    """One arm of a study of runs.

    Attributes:
        line: which method or shape it is, a row of the table and a line of the picture.
        place: what is varied, as text; empty where only the number of labels is.
        x: the same as a number.
        method: what is run; its label is the arm's own.
    """

    line: str
    place: str
    x: float
    method: Method


def run_arms(
    arms: Sequence[RunArm],
    settings: Settings,
    order: Order,
    show: Show,
    *,
    folder: str = "compare",
    shared: Mapping[str, object] | None = None,
    other: Other | None = None,
) -> list[Row]:
    """Run what is missing of the arms and give a row a run.

    ours: the threshold is the comparison's: arms without one of their own have the file's, no recipe's.

    Args:
        arms: on the same folds.
        settings: of the file and the flags together; a `label_seed` there is every fold's.
        order: numbers of labels, seeds, and what file and flags say.
        show: shows a line.
        folder: of the comparison, below the study's.
        shared: settings of every arm, over those of file and flags.
        other: a comparison whose runs each arm's own are held against.

    Raises:
        SettingsError: a flag that the study sets itself, or settings that an arm cannot take.
        DataMissing, Interrupted: as in the stage of comparisons.
        RunFailed: no fold on which every arm has a run.
    """
    _refuse_own(order)
    one = {} if settings.p_cutoff is None else {"p_cutoff": settings.p_cutoff}
    flags = {**one, **order.given.flags, **(shared or {})}
    file = {name: value for name, value in order.given.file.items() if name != "overwrite"}
    out, methods = order.out / folder, [arm.method for arm in arms]
    folds = pair_seeds(order.seeds, None, settings)
    plan = make_plan(file, methods, folds, sorted(order.budgets), out, flags)
    about = {"command": shlex.join(("usb-ext", *sys.argv[1:])), "methods": _about(plan)}
    asked = Comparison(
        out=out,
        jobs=order.jobs,
        allow_mixed=order.allow_mixed,
        retry=order.retry,
        about=about,
        other=other,
    )
    report = compare(plan, asked, say=show)
    rows = _rows(arms, report["runs"])
    if lost := len(report["runs"]) - len(rows):
        show(f"{lost} of {len(report['runs'])} runs are in no mean; {out}/compare.md says why")
    if not rows:
        raise RunFailed(
            f"no fold has a run of every arm; {out}/compare.md says what became of them"
        )
    return rows


def _about(plan: Sequence[Planned]) -> dict[str, dict[str, object]]:
    """Of each method's label its algorithm, own settings, and recipe."""
    return {
        run.method.label: {
            "algorithm": run.method.algorithm,
            "settings": dict(run.method.values),
            "recipe": run.settings.recipe,
        }
        for run in plan
    }


def _refuse_own(order: Order) -> None:
    if wrong := sorted((OWN - {"label_seed"}) & order.given.flags.keys()):
        raise SettingsError(
            f"the study sets {', '.join(wrong)} itself; choose with --budgets, --seeds and --out"
        )


KEPT = (
    "num_labels", "label_seed", "seed", "error_last", "error_best", "largest_drop", "class_coverage",
    "normalised_std", "config_sha256", "run",
)  # fmt: skip
"""What a study keeps of a run's row."""


def _rows(arms: Sequence[RunArm], runs: Sequence[Mapping[str, Any]]) -> list[Row]:
    by_label = {arm.method.label: arm for arm in arms}
    return [
        {"line": arm.line, "place": arm.place, "x": arm.x, **{name: run[name] for name in KEPT}}
        for run in runs
        if run["used"]
        for arm in (by_label[run["method"]],)
    ]


def values_of(rows: Sequence[Row], name: str, line: str, place: str, count: int) -> list[float]:
    """A number of the runs of one cell, in the order of the rows; what is None is left out.

    Args:
        rows: from `run_arms`.
        name: such as `error_last`.
        line: of the arm.
        place: of the arm.
        count: labelled images.
    """
    own = [r for r in rows if (r["line"], r["place"], r["num_labels"]) == (line, place, count)]
    return [float(str(row[name])) for row in own if row[name] is not None]


def cell_gains(
    rows: Sequence[Row], reference: Reference
) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Of each cell its run-by-run gain over its reference, the p-values corrected for all cells.

    Args:
        rows: from `run_arms`.
        reference: of a line and a place, over what.
    """
    errors: dict[tuple[str, str, int], dict[tuple[int, int], float]] = {}
    for row in rows:
        cell = (str(row["line"]), str(row["place"]), int(str(row["num_labels"])))
        fold = (int(str(row["label_seed"])), int(str(row["seed"])))
        errors.setdefault(cell, {})[fold] = float(str(row["error_last"]))
    found = {}
    for (line, place, count), own in errors.items():
        over = reference(line, place)
        before = None if over is None else errors.get((*over, count))
        folds = [fold for fold in own if before is not None and fold in before]
        if before is not None and folds:
            found[line, place, count] = gain([before[f] for f in folds], [own[f] for f in folds])
    correct(found.values())
    return found


def columns_of(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """The columns of a study's table: place and number of labels, places in the order of x."""
    found = {(float(str(r["x"])), str(r["place"]), int(str(r["num_labels"]))) for r in rows}
    return [(place, count) for _, place, count in sorted(found)]


def study_grid(title: str, rows: Sequence[Row], reference: Reference, notes: Sequence[str]) -> Grid:
    """Error of the last checkpoint by line and column; below a line its gain and p.

    Args:
        title: one line.
        rows: from `run_arms`.
        reference: over what gains are.
        notes: lines below, before that on the numbers.
    """
    columns, gains = columns_of(rows), cell_gains(rows, reference)
    header: list[tuple[str, ...]] = [("", "")]
    header += [(place, f"{count} labels") for place, count in columns]
    body = []
    for line in dict.fromkeys(str(row["line"]) for row in rows):
        errors = [values_of(rows, "error_last", line, *column) for column in columns]
        body.append([line, *(spread_text(found, 2) for found in errors)])
        own = [gains.get((line, *column)) for column in columns]
        if any(own):
            body.append(["gain", *(signed(g["summary"]["mean"]) if g else "" for g in own)])
            body.append(["p, greater", *(p_value(g["test"]["greater"]) if g else "" for g in own)])
            if len(gains) > 1:
                body.append(
                    ["p, greater (Holm)", *(holm_value(g, "greater") if g else "" for g in own)]
                )
    seeds = " ".join(str(seed) for seed in sorted({int(str(row["seed"])) for row in rows}))
    said = (
        "error of the last checkpoint, %, mean±std; gain run by run, points; p: Wilcoxon, one-sided"
    )
    return Grid(title, header, body, [*notes, f"{said}; seeds {seeds}"])


def draw_runs(
    rows: Sequence[Row], path: Path, xlabel: str, further: Mapping[str, str] | None = None
) -> None:
    """Error and its spread over what is varied, a line an arm (Figs. 2, 3 and 5).

    Args:
        rows: from `run_arms`.
        path: the PNG.
        xlabel: what is varied.
        further: numbers of the rows with a panel of their own, and its label.
    """
    panels = further or {}
    figure = Figure(figsize=(4.4 * (2 + len(panels)), 3.8), layout="constrained")
    error, spread, *rest = figure.subplots(1, 2 + len(panels))
    columns = columns_of(rows)
    several = len({place for place, _ in columns}) > 1
    at = {(str(r["place"]), int(str(r["num_labels"]))): float(str(r["x"])) for r in rows}
    xs_all = [at[column] if several else float(column[1]) for column in columns]
    for line in dict.fromkeys(str(row["line"]) for row in rows):
        counts = sorted({count for _, count in columns}) if several else [0]
        for count in counts:
            cells = [
                (x, values_of(rows, "error_last", line, *column))
                for x, column in zip(xs_all, columns, strict=True)
                if not several or column[1] == count
            ]
            kept = [(x, values) for x, values in cells if values]
            label = f"{line}, {count} labels" if len(counts) > 1 else line
            draw_mean(error, [x for x, _ in kept], [v for _, v in kept], label)
            stds = [(x, std) for x, v in kept if (std := mean_and_spread(v).std) is not None]
            spread.plot([x for x, _ in stds], [s for _, s in stds], marker="o", ms=4, label=label)
    for axes, (name, label) in zip(rest, panels.items(), strict=True):
        found = [[float(str(r[name])) for r in rows if r["num_labels"] == n] for _, n in columns]
        draw_mean(axes, xs_all, found, "")
        axes.set(ylabel=label)
    error.set(ylabel="error of the last checkpoint, %")
    spread.set(ylabel="its standard deviation over folds")
    for axes in (error, spread, *rest):
        axes.set(xlabel=xlabel)
        axes.grid(alpha=0.3)
    error.legend(fontsize="x-small")
    save(figure, path)
