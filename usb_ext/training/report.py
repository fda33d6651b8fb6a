"""What stands at the end of a run: its record, its curves, its confusion matrix.

On points of the plane also `boundary.png`: how the network divides them at several steps (Ren et al., 2020,
Figs. 1 and 2).
"""

import json
import logging
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from usb_ext.core.classification import collapsed_classes
from usb_ext.core.errors import DataMissing
from usb_ext.core.files import RunFolder, read_json, replace_file
from usb_ext.core.result import Instability, RunResult, evaluation_summary
from usb_ext.core.runtime import commit, device_name, versions
from usb_ext.data.origins import origins_of, selection_of, self_supervised_of
from usb_ext.data.prepared import Prepared
from usb_ext.data.sets import OWN
from usb_ext.engine.engine import Engine
from usb_ext.engine.hooks.score import HELD_OUT, ScoreHook
from usb_ext.engine.statistics import in_force
from usb_ext.methods.influence.boundary import BoundaryHook, Panel
from usb_ext.methods.influence.report import (
    draw_extremes,
    draw_weights,
    save_weights,
    weights_table,
)
from usb_ext.plots.pictures import draw_confusion, draw_curves
from usb_ext.settings import Settings
from usb_ext.upstream.running import Datasets, served

_log = logging.getLogger(__name__)
MARKERS = "os^vDPX"
COLUMNS = 4
SHADES = "Greys"
LABELLED, LINE = "tab:orange", "tab:blue"


def draw_boundary(algorithm: Engine, path: Path) -> None:
    """A panel a kept step, for runs on points of the plane; nothing for others.

    Args:
        algorithm: its `BoundaryHook` has kept the panels; its data sets hold the points.
        path: PNG to write.
    """
    hook: BoundaryHook | None = algorithm.hooks_dict.get("BoundaryHook")
    if hook is None or not hook.panels:
        return
    columns = min(COLUMNS, len(hook.panels))
    rows = -(-len(hook.panels) // columns)
    figure = Figure(figsize=(3.2 * columns + 0.8, 3.3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(hook.panels) :]:
        axes.set_axis_off()
    largest = _largest_weight(hook.panels)
    shades = None
    for axes, panel in zip(grid, hook.panels, strict=False):
        _draw_division(axes, hook, panel["probs"])
        shades = _draw_points(axes, algorithm.dataset_dict, panel["weights"], largest)
        axes.set(title=f"step {panel['step']}", xticks=[], yticks=[])
    if shades is not None:
        figure.colorbar(shades, ax=list(grid), label="weight of an unlabelled point", shrink=0.8)
    handles = [
        Line2D([], [], color=LABELLED, marker="o", linestyle="", label="labelled"),
        Line2D([], [], color=LINE, label="decision boundary"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize="small")
    replace_file(path, lambda part: figure.savefig(part, dpi=110, format="png"))


def _largest_weight(panels: list[Panel]) -> float:
    """Top of the shades' scale: the largest weight of all panels, at least 1."""
    known = [float(p["weights"].max()) for p in panels if p["weights"] is not None]
    return max(1.0, *known) if known else 1.0


def _draw_division(axes: Axes, hook: BoundaryHook, probs: torch.Tensor) -> None:
    """Regions by predicted class, faintly, and the lines between them."""
    x, y = (axis.numpy() for axis in hook.axes())
    classes = probs.argmax(dim=-1).numpy()
    levels = np.arange(probs.shape[-1] + 1) - 0.5
    axes.contourf(x, y, classes, levels=levels, cmap="coolwarm", alpha=0.15)
    if probs.shape[-1] == 2:
        axes.contour(x, y, probs[..., 1].numpy(), levels=[0.5], colors=LINE, linewidths=1.6)
    else:
        axes.contour(x, y, classes, levels=levels[1:-1], colors=LINE, linewidths=1.6)


def _draw_points(
    axes: Axes, datasets: Datasets, weights: torch.Tensor | None, largest: float
) -> PathCollection | None:
    """Unlabelled points shaded by weight (1 where a run has none), labelled ones on top."""
    shades = None
    unlabelled, labelled_set = datasets["train_ulb"], served(datasets, "train_lb")
    if unlabelled is not None:
        points = np.asarray(unlabelled.data)
        values = np.ones(len(points)) if weights is None else np.asarray(weights)
        shades = axes.scatter(
            points[:, 0], points[:, 1], c=values, cmap=SHADES, vmin=0, vmax=largest, s=9,
            edgecolors="0.6", linewidths=0.2,
        )  # fmt: skip
    labelled = np.asarray(labelled_set.data)
    targets = np.asarray(labelled_set.targets)
    for number in np.unique(targets):
        points = labelled[targets == number]
        axes.scatter(
            points[:, 0], points[:, 1], c=LABELLED, s=45, edgecolors="black",
            marker=MARKERS[number % len(MARKERS)],
        )  # fmt: skip
    return shades


def make_result(
    algorithm: Engine, settings: Settings, data: Prepared, status: str, sha256: str
) -> RunResult:
    """The record of a run at its end, or where it stopped."""
    score: ScoreHook = algorithm.hooks_dict["EvaluationHook"]
    record = algorithm.hooks_dict["LoggingHook"]
    seconds = float(getattr(record, "seconds", 0.0))
    confusion = np.asarray(score.confusion, dtype=np.int64)
    rule = getattr(algorithm, "rule", None)
    num_labels = int(data.summary.get("num_labels", settings.num_labels))
    return RunResult(
        algorithm=settings.algorithm,
        base=None if rule is None else rule.name,
        extensions=list(getattr(algorithm, "extensions", ())),
        dataset=settings.dataset,
        num_labels=num_labels,
        num_val=len(data.validation),
        label_budget=num_labels + len(data.validation),
        seed=settings.seed,
        label_seed=settings.seed if settings.label_seed is None else settings.label_seed,
        iterations=algorithm.it,
        seconds=round(seconds, 3),
        it_per_s=round(algorithm.it / seconds, 3) if seconds else 0.0,
        device=device_name(algorithm.device),
        **evaluation_summary(score.history),
        collapsed_classes=collapsed_classes(confusion) if confusion.size else [],
        params=sum(p.numel() for p in algorithm.model.parameters() if p.requires_grad),
        versions=versions(),
        commit=commit(),
        config_sha256=sha256,
        status=status,
        best_chosen_on=_split_of_best(settings, data),
        labelled=data.summary,
        skipped_images=len(data.skipped),
        ignored_files=dict(data.ignored),
        duplicate_images=data.duplicates,
        data_sha256=data.sha256,
        **_test_scores(algorithm, status),
        val_top1_last=_validation_score(algorithm, status),
        **_method(settings, algorithm.folder.path),
        path=str(algorithm.folder.path),
        unlabelled=data.unlabelled,
        calibration=_calibration(algorithm.folder),
        instability=score.instability(),
        bn_statistics=in_force(algorithm.model, settings.bn_statistics),
        metrics_crc32=getattr(record, "crc", None),
        extended_at=list(settings.extended_at or ()),
        bn_processes=list(algorithm.bn_processes),
    )


def instability_line(found: Instability | None, classes: tuple[str, ...] | None) -> str:
    """The instability of a run in one line, for the end of its log.

    Args:
        found: `RunResult.instability`.
        classes: class names, where known.
    """
    if found is None:
        return "accuracy never fell below its running best"
    emptied = [str(c) if classes is None else classes[c] for c in found["emptied_classes"]]
    return (
        f"largest drop from the running best: {100 * found['largest_drop']:.2f} points, at step "
        f"{found['it']} ({found['best_top1']:.4f} at step {found['best_it']}, then {found['top1']:.4f}); "
        f"classes that emptied: {', '.join(emptied) or 'none'}"
    )


def _calibration(folder: RunFolder) -> dict[str, Any] | None:
    """What the run's own `calibration.json` says, also in a later sitting; damaged, it costs no result."""
    if not folder.calibration.exists():
        return None
    try:
        found = read_json(folder.calibration, "the record of the calibration", "it is left out")
    except DataMissing as error:
        _log.warning("%s", error)
        return None
    return found if isinstance(found, dict) else None


def _split_of_best(settings: Settings, data: Prepared) -> str:
    if settings.without_test:
        return "none: there is no test split, nothing was evaluated"
    if data.datasets.get("test") is not None:
        return "validation split, apart from the test split"
    kind = "its own test split" if settings.dataset in OWN else "USB's evaluation split"
    return f"the test set ({kind}): top1_best is optimistic, top1_last is the figure to quote"


class _TestScores(TypedDict):
    test_top1_last: float | None
    test_top1_best: float | None
    test_top5_last: float | None


def _test_scores(algorithm: Engine, status: str) -> _TestScores:
    """Accuracy on a separate test split: last weights, and best weights with their own averages."""
    if "test" not in algorithm.loader_dict or status != "completed":
        return _TestScores(test_top1_last=None, test_top1_best=None, test_top5_last=None)
    last = algorithm.evaluate("test")
    best = algorithm.evaluate_saved(algorithm.folder.best, "test")["test/top-1-acc"]
    return _TestScores(
        test_top1_last=last["test/top-1-acc"],
        test_top1_best=best,
        test_top5_last=last.get("test/top-5-acc"),
    )


def _validation_score(algorithm: Engine, status: str) -> float | None:
    """Accuracy of the last weights on the images held out, in order; `val` itself is a training loader."""
    if HELD_OUT not in algorithm.loader_dict or status != "completed":
        return None
    algorithm.loader_dict[HELD_OUT] = algorithm.evaluation_loader(
        "val"
    )  # the run's workers have ended
    return float(algorithm.evaluate(HELD_OUT)[f"{HELD_OUT}/top-1-acc"])


def _method(settings: Settings, folder: Path) -> dict[str, Any]:
    """What a table asks of the method: the choice of images, the initial weights, T, N and eta."""
    values = settings.model_dump(mode="json")
    origins = origins_of(values, folder)
    of = {"prior_until": "prior_label", "influence_every": "influence", "influence_lr": "influence"}
    own = {n: values[n] for n, part in of.items() if part in settings.active_extensions}
    return {
        "selection": selection_of(values, origins),
        "self_supervised": self_supervised_of(values, origins),
        "made_from": origins,
        **own,
    }


def draw_report(algorithm: Engine, folder: RunFolder, classes: tuple[str, ...] | None) -> None:
    """The pictures: curves, confusion, the boundary of points, and what tells of learned weights."""
    rows = read_metrics(folder.metrics)
    draw_curves(rows, folder.path / "curves.png", folder.path.name)
    confusion = algorithm.hooks_dict["EvaluationHook"].confusion
    draw_confusion(np.asarray(confusion), classes, folder.path / "confusion.png")
    draw_boundary(algorithm, folder.path / "boundary.png")
    report_weights(algorithm, folder, classes)


def report_weights(algorithm: Engine, folder: RunFolder, classes: tuple[str, ...] | None) -> None:
    """`weights.npz`, `weights.png` and `weights_images.png` of a run that learned weights of examples."""
    table = weights_table(algorithm)
    if table is None:
        return
    save_weights(table, algorithm.args, folder.path / "weights.npz")
    draw_weights(table, folder.path / "weights.png")
    images = served(algorithm.dataset_dict, "train_ulb").data
    draw_extremes(table, images, classes, folder.path / "weights_images.png")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a `metrics.jsonl`, without lines that are damaged; empty if there is none."""
    if not path.exists():
        return []
    rows, damaged = [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            row = "damaged"
        damaged += row is not None and not isinstance(row, dict)
        if isinstance(row, dict) and "it" in row:
            rows.append(row)
    if damaged:
        _log.warning("%s: %d damaged lines are left out of the pictures", path, damaged)
    return rows
