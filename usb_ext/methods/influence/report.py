"""`weights.npz`: the learned weight of every unlabelled example beside its pseudo-label and its class.

`weights.png` and `weights_images.png`: how the weights lie, and whom they favour.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from usb_ext.core.files import replace_file
from usb_ext.data.arrays import Images
from usb_ext.engine.evaluation import predict
from usb_ext.engine.statistics import averaged_network, without_augmentation
from usb_ext.methods.influence.hook import example_weights
from usb_ext.plots.pictures import Tile, contact_sheet, stacked
from usb_ext.upstream.running import Arguments, OnEngine

IntArray = NDArray[np.int64]
SPLIT = ("label_split", "label_seed", "num_labels", "num_val", "include_lb_to_ulb")
"""Settings that say which example a position is; kept in the file, so that a reader can compare them."""


@dataclass(frozen=True, eq=False)
class WeightsTable:
    """The N unlabelled examples of a run at its end.

    Attributes:
        weight: (N,) float32, learned.
        pseudo_label: (N,) class that the evaluated network gives the example as it is (no augmentation).
        true_label: (N,) its class, -1 where it is not known.
    """

    weight: NDArray[np.float32]
    pseudo_label: IntArray
    true_label: IntArray

    def by_correctness(self) -> dict[str, NDArray[np.float32]]:
        """Weights of right, of wrong and of unknown pseudo-labels, those of which there are any."""
        known = self.true_label >= 0
        right = self.pseudo_label == self.true_label
        parts = {"right": known & right, "wrong": known & ~right, "class unknown": ~known}
        return {name: self.weight[rows] for name, rows in parts.items() if rows.any()}

    def auroc(self) -> float | None:
        """Probability that a right pseudo-label weighs more than a wrong one, ties counting half."""
        known = self.true_label >= 0
        right = (self.pseudo_label == self.true_label)[known]
        if right.all() or not right.any():
            return None
        return float(roc_auc_score(right, self.weight[known]))


def weights_table(algorithm: OnEngine) -> WeightsTable | None:
    """The table of a run, with one evaluation of all unlabelled examples; None for runs without weights.

    Args:
        algorithm: the algorithm at its end.
    """
    weights = example_weights(algorithm)
    if weights is None:
        return None
    plain = without_augmentation(algorithm, "train_ulb")
    algorithm.dataset_dict["train_ulb_plain"] = plain
    try:
        loader = algorithm.evaluation_loader("train_ulb_plain")
        with averaged_network(algorithm) as network:
            logits, _ = predict(network, loader, algorithm.device, "logits")
    finally:
        del algorithm.dataset_dict["train_ulb_plain"]
    labels = logits.argmax(dim=-1).numpy().astype(np.int64)
    return WeightsTable(weights.numpy(), labels, np.asarray(plain.targets, dtype=np.int64))


def save_weights(table: WeightsTable, args: Arguments, path: Path) -> None:
    """Write the file: index, weight, pseudo_label, true_label (N,), dataset, n, and the settings of `SPLIT`.

    Args:
        table: the table.
        args: the run's namespace.
        path: `.npz` to write.
    """
    split = {name: np.array(getattr(args, name)) for name in SPLIT if hasattr(args, name)}
    values: dict[str, Any] = {
        "index": np.arange(len(table.weight)),
        "weight": table.weight,
        "pseudo_label": table.pseudo_label,
        "true_label": table.true_label,
        "dataset": np.array(args.dataset),
        "n": np.array(len(table.weight)),
        **split,
    }

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **values)

    replace_file(path, write)


BINS = 40
COLOURS = {"right": "tab:blue", "wrong": "tab:red", "class unknown": "tab:gray"}
ROWS, COLUMNS = 5, 10


def draw_weights(table: WeightsTable, path: Path) -> None:
    """Histogram of the weights of right and of wrong pseudo-labels, each as shares of its examples.

    Args:
        table: the run's weights.
        path: PNG to write.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, max(1.0, float(table.weight.max())), BINS + 1).tolist()
    for name, weights in table.by_correctness().items():
        axes.hist(
            weights, bins=bins, weights=np.full(len(weights), 1 / len(weights)),
            color=COLOURS[name], alpha=0.55, label=f"{name}: {len(weights)}",
        )  # fmt: skip
    auroc = table.auroc()
    title = "weights of unlabelled examples"
    axes.set(
        xlabel="weight",
        ylabel="share of the examples",
        title=title if auroc is None else f"{title}; AUROC right against wrong {auroc:.3f}",
    )
    axes.legend(title="pseudo-label")
    replace_file(path, lambda part: figure.savefig(part, dpi=110, format="png"))


def draw_extremes(
    table: WeightsTable, images: Images, classes: tuple[str, ...] | None, path: Path
) -> None:
    """The 5 x 10 lightest and the 5 x 10 heaviest images as a contact sheet.

    Args:
        table: the run's weights.
        images: (N, H, W, 3) uint8, or what gives one image (H, W, 3) an index. Other data is not drawn.
        classes: names, or None for numbers.
        path: PNG to write.
    """
    shape = tuple(getattr(images, "shape", ()))
    if len(shape) != 4 or shape[3] != 3 or images.dtype != np.uint8:
        return
    blocks = extremes(table, images, classes)
    sheets = [contact_sheet(tiles, COLUMNS, heading) for heading, tiles in blocks.items()]
    replace_file(path, lambda part: stacked(sheets).save(part, format="PNG"))


def extremes(
    table: WeightsTable, images: Images, classes: tuple[str, ...] | None
) -> dict[str, list[Tile]]:
    """The lightest and the heaviest images, lightest and heaviest first.

    Below each stand its weight and pseudo-label, in red where that is wrong. Of equal weights the lower
    position comes first.

    Args:
        table: the run's weights.
        images: (N, H, W, 3) uint8, or what gives one image an index.
        classes: names, or None for numbers.
    """
    shown = min(ROWS * COLUMNS, len(table.weight))
    orders = {"lightest": table.weight, "heaviest": -table.weight}
    return {
        heading: [
            _tile(table, images, int(index), classes)
            for index in np.argsort(order, kind="stable")[:shown]
        ]
        for heading, order in orders.items()
    }


def _tile(table: WeightsTable, images: Images, index: int, classes: tuple[str, ...] | None) -> Tile:
    label, truth = int(table.pseudo_label[index]), int(table.true_label[index])
    name = classes[label] if classes else str(label)
    wrong = truth >= 0 and truth != label
    caption = f"{table.weight[index]:.2f} {name}"
    return Tile(np.asarray(images[index]), caption, "red" if wrong else "black")
