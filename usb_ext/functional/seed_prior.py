"""Prior pseudo-labels by constrained seed K-means over several K (AS3L, Sec. 4.3)."""

from collections.abc import Sequence

import numpy as np

from usb_ext.as3l.clustering.nearest import FloatArray, IntArray
from usb_ext.as3l.propagate.seed_kmeans import seed_groups, seed_kmeans
from usb_ext.methods.as3l.prior import cluster_classes, count_votes, normalised_votes


def seed_prior(
    features: FloatArray,
    rows: IntArray,
    labels: IntArray,
    num_classes: int,
    cluster_numbers: Sequence[int],
    rng: np.random.Generator,
    *,
    split: bool = True,
    normaliser: str = "row",
) -> FloatArray:
    """y_prior of every sample.

    A small K reaches all samples with labels that are often wrong, a large one few samples with labels
    that are mostly right; together, samples far from any label get unsure ones.

    Args:
        features: (N, d), fine-tuned.
        rows: (n,) positions of the labelled samples.
        labels: (n,) class of each.
        num_classes: number of classes.
        cluster_numbers: K of each run: 10, 20, ..., 60 for ten classes (Sec. 5.1.2).
        rng: source of randomness; a run is fixed by it and the run's number.
        split: as in `seed_kmeans.seed_groups`.
        normaliser: as in `prior_label.normalised_votes`.

    Returns:
        Shape (N, num_classes), float32.
    """
    classes = []
    for number, child in zip(cluster_numbers, rng.spawn(len(cluster_numbers)), strict=True):
        groups = seed_groups(features[rows], labels, number, split)
        found = seed_kmeans(features, rows, groups, number, child)
        classes.append(cluster_classes(groups, labels, number)[found.assignment])
    votes = count_votes(classes, num_classes)
    return normalised_votes(votes, len(cluster_numbers), normaliser)
