"""`weights.npz`: the learned weight of every unlabelled example beside its pseudo-label and its class."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from usb_ext.atomic_files import replace_file
from usb_ext.engine.evaluation import predict
from usb_ext.hooks.example_weights import example_weights

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


def weights_table(algorithm: Any) -> WeightsTable | None:
    """The table of a run, with one evaluation of all unlabelled examples; None for runs without weights.

    Args:
        algorithm: the algorithm at its end.
    """
    weights = example_weights(algorithm)
    if weights is None:
        return None
    plain, targets = _without_augmentation(algorithm)
    algorithm.dataset_dict["train_ulb_plain"] = plain
    try:
        loader = algorithm.evaluation_loader("train_ulb_plain")
        algorithm.ema.copy_buffers()
        logits, _ = predict(algorithm.ema_model.eval(), loader, algorithm.device, "logits")
    finally:
        algorithm.ema_model.train()
        del algorithm.dataset_dict["train_ulb_plain"]
    labels = logits.argmax(dim=-1).numpy().astype(np.int64)
    return WeightsTable(weights.numpy(), labels, targets)


def _without_augmentation(algorithm: Any) -> tuple[Any, IntArray]:
    """The unlabelled set under the evaluation view, and its classes (N,), -1 where USB knows none."""
    given = algorithm.dataset_dict["train_ulb"]
    plain = copy.copy(given)
    plain.is_ulb, plain.alg = False, "fullysupervised"
    sets = algorithm.dataset_dict
    plain.transform = (sets["val"] if sets["eval"] is None else sets["eval"]).transform
    known = given.targets is not None
    targets = given.targets if known else np.full(len(given), -1)
    plain.targets = np.asarray(targets, dtype=np.int64)
    return plain, plain.targets


def save_weights(table: WeightsTable, args: Any, path: Path) -> None:
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
