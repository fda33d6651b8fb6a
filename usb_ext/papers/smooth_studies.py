"""Studies of Smooth Pseudo-Labeling: threshold, imbalance, momentum, lambda_Phi, labels, shapes, aggregate.

The values that the paper varies are lost in its text; those here are ours.
"""

import csv
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from usb_ext.comparison.against import read_other
from usb_ext.comparison.methods import Method
from usb_ext.comparison.numbers import correct, gain_of
from usb_ext.comparison.records import read_result
from usb_ext.comparison.statistics import gains
from usb_ext.comparison.tables import holm_value, number, p_value, signed
from usb_ext.core.errors import DataMissing
from usb_ext.core.files import RunFolder
from usb_ext.papers.grid import Grid
from usb_ext.papers.prior_table import spread_text
from usb_ext.papers.run_studies import (
    RunArm,
    cell_gains,
    columns_of,
    draw_runs,
    run_arms,
    study_grid,
    values_of,
)
from usb_ext.papers.study import Made, Order, Row, Show, draw_mean, save
from usb_ext.settings import Settings
from usb_ext.settings.algorithms import FIXMATCH as FIXMATCH_OPTIONS
from usb_ext.settings.smooth import CALIBRATE, EXPONENTS

FIXMATCH, FLEXMATCH, SMOOTH = "FixMatch", "FlexMatch", "Smooth FixMatch"
SHAPES = {SMOOTH: "linear", f"{SMOOTH}-sq": "sq", f"{SMOOTH}-sqrt": "sqrt"}
"""The paper's names of its three shapes; the linear one has none."""

THRESHOLDS = (0.8, 0.9, 0.95, 0.98)
"""ours: values of tau in Fig. 2 and Table 9."""

MOMENTA = (0.8, 0.85, 0.9, 0.95, 0.99)
"""ours: values of SGD's momentum in Fig. 3 and Table 11."""

SHARES = (0.01, 0.1, 0.5, 1.0)
"""ours: lambda_Phi of Table 13 as shares of its limit; four values in the paper, too."""

FRACTION = 0.5
"""ours: share that the class of Table 3 keeps of its unlabelled images."""


def _arm(line: str, place: str = "", x: float = 0.0, **values: object) -> RunArm:
    """FixMatch as it is, FlexMatch, or a shape with its weight measured before each run (C.1)."""
    label = f"{line} {place}".strip()
    if line in SHAPES:
        own = {"smooth_exponent": SHAPES[line], "ulb_loss_ratio": CALIBRATE, **values}
        return RunArm(line, place, x, Method(label, "smoothfixmatch", own))
    return RunArm(line, place, x, Method(label, line.lower(), values))


def threshold_of(settings: Settings) -> float:
    """tau of FixMatch's runs: `p_cutoff`, else what the base declares."""
    return float(FIXMATCH_OPTIONS["p_cutoff"] if settings.p_cutoff is None else settings.p_cutoff)


def over_fixmatch(line: str, place: str) -> tuple[str, str] | None:
    """Gains over FixMatch at the same place."""
    return None if line == FIXMATCH else (FIXMATCH, place)


def make_threshold_study(settings: Settings, order: Order, show: Show) -> Made:
    """Fig. 2 and Table 9: FixMatch and the three shapes by threshold, each calibrated at its own tau.

    Args:
        settings: of file and flags.
        order: numbers of labels and seeds.
        show: shows a line.

    Raises:
        SettingsError, DataMissing, RunFailed, Interrupted: as in `run_studies.run_arms`.
    """
    lines = (FIXMATCH, *SHAPES)
    arms = [_arm(m, f"tau {t:g}", t, p_cutoff=t) for t, m in product(THRESHOLDS, lines)]
    rows = run_arms(arms, settings, order, show)
    title = f"smooth-threshold: error by threshold, {settings.dataset}"
    notes = [
        "gains over FixMatch at the same threshold; lambda_u of each shape measured at its own"
    ]
    grid = study_grid(title, rows, over_fixmatch, notes)
    return Made(grid, rows, partial(draw_runs, rows, xlabel="threshold"))


def make_momentum_study(settings: Settings, order: Order, show: Show) -> Made:
    """Fig. 3 and Table 11: FixMatch and its smooth version by SGD's momentum; as `make_threshold_study`."""
    arms = [_arm(m, f"m {v:g}", v, momentum=v) for v, m in product(MOMENTA, (FIXMATCH, SMOOTH))]
    rows = run_arms(arms, settings, order, show)
    title = f"smooth-momentum: error by momentum of SGD, {settings.dataset}"
    grid = study_grid(title, rows, over_fixmatch, ["gains over FixMatch at the same momentum"])
    return Made(grid, rows, partial(draw_runs, rows, xlabel="momentum"))


def make_imbalance_study(settings: Settings, order: Order, show: Show) -> Made:
    """Table 3: one class loses unlabelled images; each method also against its own balanced runs.

    Args, errors: as `make_threshold_study`; a flag `imbalance_fraction` takes the place of FRACTION.
    """
    fraction = order.given.flags.get("imbalance_fraction") or FRACTION
    lines, rows = (FIXMATCH, FLEXMATCH, SMOOTH), []
    for x, place in enumerate(("balanced", "imbalanced")):
        cut = bool(x)
        shared = {
            "imbalance_class": order.given.flags.get("imbalance_class") or "random"
            if cut
            else None,
            "imbalance_fraction": fraction if cut else None,
        }
        arms = [RunArm(m, place, x, _arm(m).method) for m in lines]
        other = read_other("balanced", order.out / place) if cut else None
        rows += run_arms(arms, settings, order, show, folder=place, shared=shared, other=other)
    title = (
        f"smooth-imbalance: one class keeps {fraction} of its unlabelled images, {settings.dataset}"
    )
    grid = study_grid(title, rows, over_fixmatch, ["gains over FixMatch on the same images"])
    grid.body.extend(_drops(rows, lines))
    grid.notes.append("drop: how far the error of each method's own runs rose; p: that it rose")
    return Made(grid, rows, partial(draw_runs, rows, xlabel="0 balanced, 1 imbalanced"))


def _drops(rows: Sequence[Row], lines: Sequence[str]) -> list[list[str]]:
    """Rows of each method's drop due to imbalance, in the columns of the imbalanced runs."""

    def own(line: str, place: str) -> tuple[str, str] | None:
        return (line, "balanced") if place == "imbalanced" else None

    held, body = cell_gains(rows, own), []
    for line in lines:
        cells = [held.get((line, *column)) for column in columns_of(rows)]
        body += [
            [f"{line}: drop", *(signed(-g["summary"]["mean"]) if g else "" for g in cells)],
            ["p", *(p_value(g["test"]["less"]) if g else "" for g in cells)],
            ["p (Holm)", *(holm_value(g, "less") if g else "" for g in cells)],
        ]
    return body


def make_lambda_phi_study(settings: Settings, order: Order, show: Show) -> Made:
    """Table 13: the factor as a loss, its weight a share of the limit lambda_u (1 - tau) / s of Sec. C.2.

    ours: lambda_u is the mean of what the runs without that loss measured, and s is 1, where the limit is
    least. Gains are over the smooth loss without the factor's.

    Args, errors: as `make_threshold_study`.
    """
    plain = [_arm(FIXMATCH, "0", 0.0), _arm(SMOOTH, "0", 0.0)]
    first = run_arms(plain, settings, order, show)
    weight, tau = _measured(first, order.out / "compare" / "runs"), threshold_of(settings)
    limit = weight * (1 - tau)
    arms = [
        _arm(SMOOTH, f"{share:g} of the limit", share, lambda_phi=float(f"{share * limit:.4g}"))
        for share in SHARES
    ]
    rows = run_arms([*plain, *arms], settings, order, show)

    def reference(line: str, place: str) -> tuple[str, str] | None:
        return None if place == "0" else (SMOOTH, "0")

    title = f"smooth-lambda-phi: the factor as a loss, {settings.dataset}"
    note = f"limit {limit:.4g}: lambda_u {weight:.4g} on average, tau {tau:g}, s 1; gains over lambda_Phi 0"
    grid = study_grid(title, rows, reference, [note])
    return Made(grid, rows, partial(draw_runs, rows, xlabel="lambda_Phi, share of the limit"))


def _measured(rows: Sequence[Row], runs: Path) -> float:
    """Mean lambda_u that the smooth runs of some rows measured, of their folders in `runs`.

    Raises:
        DataMissing: one of them does not say what its calibration found.
    """
    found = []
    for row in rows:
        if row["line"] == SMOOTH:
            folder = RunFolder(runs / str(row["run"]))
            calibration = (read_result(folder.result) or {}).get("calibration")
            if not calibration:
                raise DataMissing(
                    f"{folder.path} does not say what its calibration found; run it again"
                )
            found.append(float(calibration["ulb_loss_ratio"]))
    return fmean(found)


def make_labels_study(settings: Settings, order: Order, show: Show) -> Made:
    """Figs. 4 and 5, Tables 5 and 6: labels drawn without class balance, by their number.

    Args, errors: as `make_threshold_study`; a flag `label_split` takes the place of `random`.
    """
    shared = {"label_split": order.given.flags.get("label_split", "random")}
    rows = run_arms([_arm(FIXMATCH), _arm(SMOOTH)], settings, order, show, shared=shared)
    title = f"smooth-labels: error by number of labels, {settings.dataset}"
    note = "whether more labels help, step by step (Table 6): compare/compare.md"
    grid = study_grid(title, rows, over_fixmatch, [note])
    for text, name in (("classes covered", "class_coverage"), (NORMALISED, "normalised_std")):
        cells = [values_of(rows, name, FIXMATCH, *column) for column in columns_of(rows)]
        grid.body.append([text, *(spread_text(found, 2) for found in cells)])
    panels = (
        {"normalised_std": NORMALISED} if all(r["normalised_std"] is not None for r in rows) else {}
    )
    return Made(grid, rows, partial(draw_runs, rows, xlabel="labels", further=panels))


NORMALISED = "std of class frequencies / mean"

STEPS = 10
"""Of the confidence between threshold and 1."""


def make_shapes_study(settings: Settings, order: Order, show: Show) -> Made:
    """Fig. 6: the factor between threshold and 1 in its three shapes; nothing is trained.

    Args:
        settings: `p_cutoff`, or FixMatch's own.
        order: not used.
        show: not used.
    """
    tau = threshold_of(settings)
    confidences = [tau + (1 - tau) * step / STEPS for step in range(STEPS + 1)]
    rows: list[Row] = [
        {"shape": shape, "confidence": s, "factor": (step / STEPS) ** mu}
        for shape, mu in EXPONENTS.items()
        for step, s in enumerate(confidences)
    ]
    body = [
        [f"{s:.3f}", *(number((step / STEPS) ** mu, 3) for mu in EXPONENTS.values())]
        for step, s in enumerate(confidences)
    ]
    header: list[tuple[str, ...]] = [("s",), *((shape,) for shape in EXPONENTS)]
    title = f"smooth-shapes: the factor by confidence s, threshold {tau:g}"
    return Made(
        Grid(title, header, body, ["0 below the threshold"]), rows, partial(_draw_shapes, rows)
    )


def _draw_shapes(rows: Sequence[Row], path: Path) -> None:
    figure = Figure(figsize=(5, 3.8), layout="constrained")
    axes = figure.subplots()
    for shape in EXPONENTS:
        own = [row for row in rows if row["shape"] == shape]
        xs, ys = ([float(str(r[name])) for r in own] for name in ("confidence", "factor"))
        axes.plot(xs, ys, label=shape)
    axes.set(xlabel="confidence", ylabel="factor")
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, path)


POOLED = ("smooth-threshold", "smooth-imbalance", "smooth-momentum", "smooth-labels")
"""What Sec. 4.4 takes together: FixMatch and its linear smooth version under the same conditions."""


def make_aggregate_study(settings: Settings, order: Order, show: Show) -> Made:
    """Sec. 4.4: FixMatch and Smooth FixMatch run for run over all studies that are there; trains nothing.

    Runs of the same settings in several studies count once.

    Args:
        settings: `save_dir`, where the studies are.
        order: not used but for its folder.
        show: shows which studies were read.

    Raises:
        DataMissing: no study is there, or one is not whole.
    """
    rows: list[Row] = []
    seen: set[tuple[str, str]] = set()
    for name in POOLED:
        path = Path(settings.save_dir).expanduser() / f"study_{name}" / f"{name}.csv"
        if path.is_file():
            found = [pair for pair in _pairs(name, path) if _new(pair, seen)]
            show(f"{path}: {len(found)} pairs that no study before it has")
            rows += found
    if not rows:
        raise DataMissing(
            f"no study of {', '.join(POOLED)} is in {settings.save_dir}; run one or more of them first"
        )
    return Made(_aggregate_grid(rows, settings.dataset), rows, partial(_draw_aggregate, rows))


def _new(pair: Row, seen: set[tuple[str, str]]) -> bool:
    key = (str(pair["sha256_first"]), str(pair["sha256_second"]))
    new = key not in seen
    seen.add(key)
    return new


def _pairs(study: str, path: Path) -> list[Row]:
    """FixMatch's and the smooth version's run on each fold of each place of a study's CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    try:
        keyed = {
            (r["line"], r["place"], r["num_labels"], r["label_seed"], r["seed"]): r for r in lines
        }
        return [
            {
                "study": study, "place": key[1], "num_labels": key[2], "label_seed": key[3],
                "seed": key[4], "error_first": float(first["error_last"]),
                "error_second": float(keyed[SMOOTH, *key[1:]]["error_last"]),
                "sha256_first": first["config_sha256"],
                "sha256_second": keyed[SMOOTH, *key[1:]]["config_sha256"],
            }
            for key, first in keyed.items()
            if key[0] == FIXMATCH and (SMOOTH, *key[1:]) in keyed
        ]  # fmt: skip
    except (KeyError, ValueError, TypeError) as error:
        raise DataMissing(
            f"{path} is no table of a study; run `usb-ext study {study}` again"
        ) from error


def _gains(rows: Sequence[Row]) -> list[float]:
    first, second = (
        [float(str(r[f"error_{which}"])) for r in rows] for which in ("first", "second")
    )
    return list(gains(first, second))


def _aggregate_grid(rows: Sequence[Row], dataset: str) -> Grid:
    studies = list(dict.fromkeys(str(row["study"]) for row in rows))
    found = {s: gain_of(_gains([r for r in rows if r["study"] == s])) for s in studies}
    correct(found.values())
    every = gain_of(_gains(rows))
    correct([every])
    body = []
    for name, own in {**found, "all": every}.items():
        summary = own["summary"]
        body.append([
            name, str(len(own["values"])), signed(summary["mean"]), number(summary["std"]),
            signed(summary["minimum"]), signed(summary["maximum"]),
            f"{own['better']} / {own['equal']} / {own['worse']}",
            p_value(own["test"]["greater"]), holm_value(own, "greater"),
        ])  # fmt: skip
    names = ("study", "pairs", "mean gain", "std", "least", "greatest", "better / equal / worse")
    header: list[tuple[str, ...]] = [(n,) for n in (*names, "p, greater", "p, greater (Holm)")]
    title = f"smooth-aggregate: gain of Smooth FixMatch over FixMatch run for run, {dataset}"
    notes = [
        "points of the last checkpoint's error; p: Wilcoxon, one-sided; Holm's over the studies alone",
        "runs of one fold share their images, and p takes them as independent, as the paper's does",
    ]
    return Grid(title, header, body, notes)


def _draw_aggregate(rows: Sequence[Row], path: Path) -> None:
    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for place, study in enumerate(dict.fromkeys(str(row["study"]) for row in rows)):
        own = _gains([row for row in rows if row["study"] == study])
        axes.plot([place] * len(own), own, "o", ms=4, alpha=0.5)
        draw_mean(axes, [place], [own], study)
    axes.axhline(0, color="grey", linewidth=1)
    axes.set(ylabel="gain over FixMatch, points", xticks=[])
    axes.legend(fontsize="x-small")
    save(figure, path)
