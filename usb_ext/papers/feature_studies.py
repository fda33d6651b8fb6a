"""Studies of features: neighbours in training (AS3L, Fig. 2), and who lies near a centre (Fig. 8)."""

from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from usb_ext.as3l.clustering.fine_tuning import Tuning, scaled
from usb_ext.as3l.clustering.kmeans import kmeans
from usb_ext.as3l.inputs.feature_images import images_of
from usb_ext.as3l.workflow import made_files, make, pretrain_features, train_on_made
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.data.features import read_features
from usb_ext.methods.as3l.consistency import START_KEY, TRAINED_KEY
from usb_ext.papers.found_runs import read_curve
from usb_ext.papers.grid import Grid
from usb_ext.papers.prior_table import ALL_TO_BE_MADE, spread_text
from usb_ext.papers.study import Made, Order, Row, Show, draw_mean, save
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.as3l import AUTO

BINS = 10
"""Fig. 8: groups of samples by distance."""


def make_consistency_study(settings: Settings, order: Order, show: Show) -> Made:
    """Fig. 2: train from the pre-trained weights on random labels, without priors, and watch the neighbours.

    Args:
        settings: of the data set, of pre-training and of the runs.
        order: numbers of labels and seeds; a run each.
        show: prints a line a stage.

    Raises:
        SettingsError: runs that do not start from pre-trained weights.
        DataMissing, RunFailed, Interrupted: as in the stages and in training.
    """
    if not settings.use_pretrain:
        raise SettingsError(
            "the study asks what training leaves of pre-trained features, but use_pretrain is False; use "
            f"use_pretrain: True with pretrain_path: {AUTO}, or a file of weights"
        )
    given = load_settings(settings.model_dump(), ALL_TO_BE_MADE | SELFMATCH).settings
    pretrain_features(given, show)
    features = made_files(given).features
    weights = str(features.parent / "backbone.pth")
    rows: list[Row] = []
    for budget, seed in product(order.budgets, order.seeds):
        place = f"{budget}_s{seed}"
        changed: dict[str, object] = {
            "num_labels": budget, "seed": seed, "label_seed": seed, "features": str(features),
            "pretrain_path": weights if given.pretrain_path == AUTO else given.pretrain_path,
            "save_dir": str(order.out), "save_name": f"run_{place}", "as3l_name": f"labels_{place}",
            "overwrite": settings.overwrite,
        }  # fmt: skip
        asked = load_settings(given.model_dump(), changed).settings
        make(asked, show)
        show(train_on_made(asked))
        rows += _watched(RunFolder(asked.run_dir).metrics, budget, seed)
    return Made(consistency_grid(rows, given.dataset), rows, partial(_draw_consistency, rows))


SELFMATCH = {"prior_label": False, "as3l_strategy": "random", "trained_consistency": True}
"""Fig. 2's runs: FlexMatch from the weights of pre-training, on labels drawn at random."""


def _watched(metrics: Path, budget: int, seed: int) -> list[Row]:
    """A row an evaluation, and one for the weights that training started from."""
    moved, start = read_curve(metrics, TRAINED_KEY), read_curve(metrics, START_KEY)
    values = {0: next(iter(start.values())), **moved}
    return [
        {"num_labels": budget, "seed": seed, "it": step, "consistency": values[step]}
        for step in sorted(values)
    ]


def consistency_grid(rows: Sequence[Row], dataset: str) -> Grid:
    """Consistency in % before and after training, by number of labels.

    Args:
        rows: `num_labels`, `seed`, `it` and `consistency` in [0, 1].
        dataset: name of the data set.
    """
    body = []
    for budget in dict.fromkeys(row["num_labels"] for row in rows):
        own = [row for row in rows if row["num_labels"] == budget]
        ends = [
            [_at(own, seed, end) for seed in dict.fromkeys(row["seed"] for row in own)]
            for end in (0, -1)
        ]
        change = [after - before for before, after in zip(*ends, strict=True)]
        body.append([str(budget), *map(spread_text, (*ends, change))])
    title = (
        f"as3l-fig2: neighbours of the same true class in the features, {dataset}, %, mean ± std"
    )
    header: list[tuple[str, ...]] = [("labels",), ("pre-trained",), ("trained",), ("change",)]
    note = "test images; FlexMatch from the weights of pre-training, random labels, no priors"
    return Grid(title, header, body, [note])


def _at(rows: Sequence[Row], seed: object, end: int) -> float:
    """The first (0) or last (-1) value of a run, in %."""
    return 100 * float(str([row["consistency"] for row in rows if row["seed"] == seed][end]))


def _draw_consistency(rows: Sequence[Row], path: Path) -> None:
    figure = Figure(figsize=(5.4, 4), layout="constrained")
    axes = figure.subplots()
    for budget in dict.fromkeys(row["num_labels"] for row in rows):
        own = [row for row in rows if row["num_labels"] == budget]
        steps = sorted({int(str(row["it"])) for row in own})
        values = [[float(str(r["consistency"])) for r in own if r["it"] == step] for step in steps]
        draw_mean(axes, steps, values, f"{budget} labels")
        axes.axhline(float(np.mean(values[0])), color="grey", linestyle="--", linewidth=1)
    axes.set(xlabel="step", ylabel="neighbours of the same true class")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    save(figure, path)


def dominant_shares(
    distance: NDArray[np.floating], cluster: NDArray[np.int64], targets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Share of samples of their cluster's dominant class, by distance to its centre (AS3L, Fig. 8).

    ours: bins of equal numbers of samples, over all clusters together; of classes that are equally frequent
    in a cluster the first is dominant.

    Args:
        distance: (N,) of each sample to the centre of its cluster.
        cluster: (N,) its cluster.
        targets: (N,) its class, >= 0.

    Returns:
        (BINS,) shares in [0, 1], nearest first.
    """
    dominant = np.zeros(int(cluster.max()) + 1, dtype=np.int64)
    for number in np.unique(cluster):
        dominant[number] = np.bincount(targets[cluster == number]).argmax()
    right = (targets == dominant[cluster])[np.argsort(distance, kind="stable")]
    return np.array([part.mean() for part in np.array_split(right, BINS)])


def make_bins_study(settings: Settings, order: Order, show: Show) -> Made:
    """Fig. 8: cluster f_self once a seed with as many clusters as classes, and look at distances.

    Args:
        settings: of the data set and of the features.
        order: the seeds.
        show: prints a line a stage.

    Raises:
        SettingsError: a data set whose classes are not known.
        DataMissing, RunFailed, Interrupted: as in pre-training.
    """
    given = load_settings(settings.model_dump(), ALL_TO_BE_MADE).settings
    pretrain_features(given, show)
    path = made_files(given).features
    features = read_features(path)
    targets = images_of(features, path, given).targets
    known = None if targets is None else targets >= 0
    if targets is None or known is None or not known.any():
        raise SettingsError(f"the classes of {given.dataset} are not known, so none is dominant")
    values, rows = scaled(features.values[known], Tuning(normalise=given.as3l_normalise)), []
    for seed in order.seeds:
        found = kmeans(values, given.num_classes, np.random.default_rng([seed, given.num_classes]))
        distance = np.linalg.norm(values - found.centers[found.assignment], axis=1)
        shares = dominant_shares(distance, found.assignment, targets[known])
        rows += [
            {"seed": seed, "bin": number, "share": float(share)}
            for number, share in enumerate(shares, start=1)
        ]
    return Made(bins_grid(rows, given.dataset), rows, partial(_draw_bins, rows))


def _shares(rows: Sequence[Row]) -> list[list[float]]:
    """Of each bin the shares of the seeds, in %."""
    return [
        [100 * float(str(r["share"])) for r in rows if r["bin"] == n] for n in range(1, BINS + 1)
    ]


def bins_grid(rows: Sequence[Row], dataset: str) -> Grid:
    """Share of the dominant class in %, a line a bin.

    Args:
        rows: `seed`, `bin` from 1 on and `share` in [0, 1].
        dataset: name of the data set.
    """
    body = [[str(n), spread_text(shares)] for n, shares in enumerate(_shares(rows), start=1)]
    title = f"as3l-fig8: share of the cluster's dominant class, {dataset}, %, mean ± std"
    note = "bins of equal numbers of images by distance to the centre, 1 the nearest; f_self"
    return Grid(title, [("bin",), ("share",)], body, [note])


def _draw_bins(rows: Sequence[Row], path: Path) -> None:
    figure = Figure(figsize=(5, 3.8), layout="constrained")
    axes = figure.subplots()
    draw_mean(axes, range(1, BINS + 1), _shares(rows), "")
    axes.set(xlabel="bin, by distance to the centre", ylabel="share of the dominant class, %")
    axes.grid(alpha=0.3)
    save(figure, path)
