"""The propagate stage: from a few labels to prior pseudo-labels of all images (AS3L, Sec. 4.3)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.as3l.clustering.fine_tuning import SPREADING, Tuning, fine_features, stream
from usb_ext.as3l.inputs.feature_images import images_of
from usb_ext.as3l.inputs.given_labels import GivenLabels, given_labels
from usb_ext.as3l.propagate.llgc import llgc
from usb_ext.as3l.propagate.report import draw_reliability, prior_report, summary
from usb_ext.as3l.propagate.seed_kmeans import seed_prior
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import replace_file, write_json
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.core.runtime import resolve_device
from usb_ext.data.features import read_features
from usb_ext.data.fingerprint import write_fingerprint
from usb_ext.data.prior_file import Prior, write_prior
from usb_ext.settings import Settings

METHODS = ("seed_kmeans", "llgc")
OUTPUTS = ("data.json", "prior.npz", "prior.json", "reliability.png")


@dataclass(frozen=True)
class PropagateOrder:
    """What is to be spread, and how.

    Attributes:
        features: the features file.
        selected: the selection, or None where a CSV names the labelled images itself.
        labels: a CSV `id,class`; None takes the classes of the data set.
        clusters: K of each run; None is 1 to 6 times the number of classes, as in the paper (Sec. 5.1.2).
        method: `seed_kmeans` or `llgc`.
        split: as in `seed_kmeans.seed_groups`.
        normaliser: as in `prior.normalised_votes`.
        seed: of every draw.
        out: folder for the results.
        tuning: how the features are prepared, unless they are tuned already.
        device: of the linear layer, and of the clusterings where it is a GPU.
    """

    features: Path
    selected: Path | None = None
    labels: Path | None = None
    clusters: tuple[int, ...] | None = None
    method: str = "seed_kmeans"
    split: bool = True
    normaliser: str = "row"
    seed: int = 0
    out: Path = Path(".")
    tuning: Tuning = field(default_factory=Tuning)
    device: str = "cpu"


def propagate_labels(order: PropagateOrder, settings: Settings | None) -> str:
    """Spread labels, and write `prior.npz`, `prior.json` and, where classes are known, `reliability.png`.

    Args:
        order: what to do.
        settings: the data set, for its classes; None goes without.

    Returns:
        A few lines for a person.

    Raises:
        SettingsError: fewer clusters than classes, more than images, labels that cannot be used, or
            files that do not fit each other.
        DataMissing: files that are not there or cannot be used.
    """
    check_outputs(order.out, OUTPUTS)
    device = resolve_device(order.device)
    features = read_features(order.features)
    images = images_of(features, order.features, settings)
    given = given_labels(features, images, order.labels, order.selected)
    clusters = order.clusters or tuple(len(given.classes) * n for n in range(1, 7))
    if order.method == "seed_kmeans":
        _check_clusters(clusters, len(given.classes), len(features.values))
    values = features.values
    if not features.tuned:
        values = fine_features(values, len(given.rows), order.seed, order.tuning, device)
    prior = _spread(order, clusters, values, given, device)
    report, bins = prior_report(prior, given)
    report |= {"method": order.method, "normaliser": order.normaliser, "seed": order.seed}
    if order.method == "seed_kmeans":
        report |= {"clusters": list(clusters), "split": order.split}
    claim_outputs(order.out, OUTPUTS)
    if images.data is not None:
        write_fingerprint(order.out, images.data)
    if bins is not None:
        picture = order.out / "reliability.png"
        replace_file(picture, lambda path: draw_reliability(bins, path))
    write_json(order.out / "prior.json", report)
    stored = Prior(prior, features.ids, given.classes, images.dataset)
    write_prior(order.out / "prior.npz", stored)
    return summary(report, order.out / "prior.npz")


def _check_clusters(clusters: tuple[int, ...], num_classes: int, count: int) -> None:
    for number in clusters:
        if number < num_classes:
            raise SettingsError(
                f"clusters holds {number}, but there are {num_classes} classes; each number of clusters "
                f"must be at least {num_classes}"
            )
        if number > count:
            raise SettingsError(
                f"clusters holds {number}, but there are {count} images; use at most {count}"
            )


def _spread(
    order: PropagateOrder,
    clusters: tuple[int, ...],
    values: NDArray[np.float32],
    given: GivenLabels,
    device: torch.device,
) -> NDArray[np.floating[Any]]:
    """y_prior, (N, C) float32."""
    number = len(given.classes)
    if order.method == "llgc":
        return llgc(values, given.rows, given.labels, number)
    return seed_prior(
        values,
        given.rows,
        given.labels,
        number,
        clusters,
        stream(order.seed, SPREADING),
        split=order.split,
        normaliser=order.normaliser,
        points_per_center=order.tuning.points_per_center,
        device=device,
    )
