"""The tsne stage: features in the plane, coloured by class and by prior pseudo-label (AS3L, Fig. 5)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import replace_file
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.data.features import Features, read_features
from usb_ext.data.image_names import ImageIds
from usb_ext.data.label_files import read_selected
from usb_ext.data.prior_file import read_prior

FEW_CLASSES = 20
GREY = "0.8"


@dataclass(frozen=True, eq=False)
class Plane:
    """What is drawn.

    Attributes:
        places: (n, 2).
        targets: (n,) classes, -1 unknown; None where nothing tells.
        prior: (n, C) prior pseudo-labels, rows of zeros where there is none; or None.
        chosen: (n,) bool, the images chosen for a label.
        classes: names, or None for numbers.
    """

    places: NDArray[np.floating[Any]]
    targets: NDArray[np.int64] | None
    prior: NDArray[np.float32] | None
    chosen: NDArray[np.bool_]
    classes: tuple[str, ...] | None


def draw_plane(plane: Plane, path: Path) -> None:
    """A panel of the classes, and one of the prior pseudo-labels where there are some.

    In the second, a point is the fainter the less sure its prior is, and grey where it has none.

    Args:
        plane: what is drawn.
        path: PNG to write.
    """
    panels: list[tuple[str, NDArray[np.int64], NDArray[Any]]] = []
    sure = np.ones(len(plane.places))
    if plane.prior is None or plane.targets is not None:
        known = np.full(len(plane.places), -1) if plane.targets is None else plane.targets
        panels.append(("features" if plane.targets is None else "classes", known, sure))
    if plane.prior is not None:
        reached = plane.prior.sum(axis=1) > 0
        likely = np.where(reached, plane.prior.argmax(axis=1), -1)
        panels.append(("prior pseudo-labels", likely, plane.prior.max(axis=1)))
    figure = Figure(figsize=(6.5 * len(panels), 6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for axis, (title, labels, sureness) in zip(axes, panels, strict=True):
        _draw(axis, plane, labels, sureness)
        axis.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=110, format="png")


def _draw(axis: Axes, plane: Plane, labels: NDArray[np.int64], sure: NDArray[Any]) -> None:
    """One panel: grey points first, then a colour a class, then the chosen ones as stars."""
    (x, y), none = plane.places.T, labels < 0
    axis.scatter(x[none], y[none], s=4, color=GREY)
    number = max(int(labels.max(initial=-1)) + 1, len(plane.classes or ()), 1)
    few = number <= FEW_CLASSES
    colours = colormaps["tab20" if few else "hsv"]
    for label in range(number):
        rows = labels == label
        if not rows.any():
            continue
        colour = np.tile(colours(label if few else label / number), (int(rows.sum()), 1))
        colour[:, 3] = np.clip(sure[rows], 0.15, 1)
        name = plane.classes[label] if plane.classes else str(label)
        axis.scatter(x[rows], y[rows], s=6, c=colour, label=name)
    if plane.chosen.any():
        axis.scatter(
            x[plane.chosen], y[plane.chosen], s=90, marker="*", color="black", edgecolors="white"
        )
    if few and axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="x-small", markerscale=2, loc="best")


IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class TsneOrder:
    """What is to be drawn.

    Attributes:
        features: the features file.
        out: PNG to write.
        selected: a selection, whose images are marked; or None.
        prior: prior pseudo-labels, drawn beside the classes; or None.
        most: points at most; the selected ones are always among them.
        perplexity: of t-SNE, about the number of neighbours that count.
        seed: of the choice of points and of t-SNE.
    """

    features: Path
    out: Path
    selected: Path | None = None
    prior: Path | None = None
    most: int = 5000
    perplexity: float = 30.0
    seed: int = 0


def tsne(order: TsneOrder) -> str:
    """Draw, and say where.

    Raises:
        SettingsError: files that do not fit each other, or a perplexity for more points than there are.
        DataMissing: files that are not there or cannot be used.
    """
    check_outputs(order.out.parent, [order.out.name])
    features = read_features(order.features)
    chosen = _chosen(order, features)
    prior = _prior(order, features)
    points = _subset(len(features.values), chosen, order.most, order.seed)
    if order.perplexity >= len(points):
        raise SettingsError(
            f"perplexity is {order.perplexity:g}, but there are {len(points)} points; use less"
        )
    places = TSNE(perplexity=order.perplexity, init="pca", random_state=order.seed).fit_transform(
        features.values[points]
    )
    plane = Plane(
        places=places,
        targets=None if features.targets is None else features.targets[points],
        prior=None if prior is None else prior[points],
        chosen=np.isin(points, chosen),
        classes=features.class_names,
    )
    claim_outputs(order.out.parent, [order.out.name])
    replace_file(order.out, lambda path: draw_plane(plane, path))
    return f"{len(points)} of {len(features.values)} images drawn: {order.out}"


def _subset(count: int, chosen: IntArray, most: int, seed: int) -> IntArray:
    """Rows to draw, ascending, (n,): the chosen ones and a random part of the others."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    others = np.setdiff1d(np.arange(count, dtype=np.int64), chosen)
    drawn = np.random.default_rng(seed).permutation(others)[: max(0, most - len(chosen))]
    return np.sort(np.concatenate([chosen, drawn])).astype(np.int64)


def _chosen(order: TsneOrder, features: Features) -> IntArray:
    """Rows of the selected images, (m,)."""
    if order.selected is None:
        return np.empty(0, dtype=np.int64)
    return _rows(features, np.asarray(read_selected(order.selected).ids), f"{order.selected}")


def _prior(order: TsneOrder, features: Features) -> NDArray[np.float32] | None:
    """Prior pseudo-labels row by row of the features, (N, C); zeros where the file has none."""
    if order.prior is None:
        return None
    prior = read_prior(order.prior)
    found = np.zeros((len(features.values), prior.values.shape[1]), dtype=np.float32)
    found[_rows(features, prior.ids, f"{order.prior}")] = prior.values
    return found


def _rows(features: Features, ids: NDArray[np.generic], what: str) -> IntArray:
    """Rows of the features that ids mean, (m,).

    Raises:
        SettingsError: an id that the features file lacks.
    """
    if features.ids.dtype.kind == "U":
        return ImageIds(len(features.ids), tuple(map(str, features.ids))).positions(ids, what)
    place = {int(i): row for row, i in enumerate(features.ids)}
    lacking = [i for i in ids.tolist() if i not in place]
    if lacking:
        raise SettingsError(
            f"{what} names {len(lacking)} images that the features file lacks, the first is {lacking[0]}"
        )
    return np.array([place[int(i)] for i in ids.tolist()], dtype=np.int64)
