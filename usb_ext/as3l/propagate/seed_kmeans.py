"""Constrained seed K-means: labelled samples start the clusters and stay in them (AS3L, Sec. 4.3).

Basu, Banerjee & Mooney (2002): the centers of seeded clusters start at the mean of their labelled
samples; in every step the other samples go to the nearest center while the labelled ones keep their
cluster. Both halves of a step can only lower the sum of squared distances, which therefore never rises.

The paper uses K clusters with K from the number of classes upward, and says that clusters are left
without a label once K exceeds the number of labels. How K seeded clusters come from fewer classes is
open: `seed_groups` holds the two readings.

Prior pseudo-labels by constrained seed K-means over several K (AS3L, Sec. 4.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage

from usb_ext.as3l.clustering.kmeans import sampled, spread_start
from usb_ext.as3l.clustering.nearest import (
    Points,
    cluster_means,
    nearest_center,
    part_of,
    placed,
    rows_of,
    squared_distances,
)
from usb_ext.core.arrays import FloatArray, IntArray
from usb_ext.methods.as3l.prior import cluster_classes, count_votes, normalised_votes

ITERATIONS = 100
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class SeedClustering:
    """One run.

    Attributes:
        centers: (K, d); the first G belong to the groups of labelled samples.
        assignment: (N,) cluster of each sample.
        history: objective after each assignment, never rising.
    """

    centers: FloatArray
    assignment: IntArray
    history: list[float]


def seed_groups(points: FloatArray, labels: IntArray, num_clusters: int, split: bool) -> IntArray:
    """Which labelled samples seed a cluster together; never two classes.

    Args:
        points: (n, d) labelled samples.
        labels: (n,) class of each.
        num_clusters: K, at least the number of classes that occur.
        split: ours: False makes one group a class (Basu et al.); True splits classes (Ward's
            linkage), always the one with most samples a group, until K groups or single samples are
            left, so that every cluster has a label as long as K does not exceed n.

    Returns:
        Group of each labelled sample, shape (n,), 0 to G - 1.
    """
    classes, group = np.unique(labels, return_inverse=True)
    if not split:
        return group.astype(np.int64)
    sizes = np.bincount(group)
    parts = np.ones(len(classes), dtype=np.int64)
    while parts.sum() < min(num_clusters, len(labels)):
        parts[np.argmax(sizes / parts * (parts < sizes))] += 1
    found = np.empty(len(labels), dtype=np.int64)
    next_group = 0
    for c, number in enumerate(parts):
        rows = np.flatnonzero(group == c)
        within = np.zeros(len(rows), dtype=np.int64)
        if number > 1:
            tree = linkage(points[rows], "ward")
            within = np.unique(fcluster(tree, number, "maxclust"), return_inverse=True)[1]
        found[rows] = next_group + within
        next_group += int(within.max()) + 1
    return found


def seed_kmeans(
    features: Points,
    rows: IntArray,
    groups: IntArray,
    num_clusters: int,
    rng: np.random.Generator,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
    points_per_center: int | None = None,
) -> SeedClustering:
    """Cluster with labelled samples that keep their cluster.

    ours: clusters without labelled samples start at samples far from the seeded centers
    (`spread_start`); one that loses all its samples keeps its center.

    Args:
        features: (N, d).
        rows: (n,) distinct positions of the labelled samples.
        groups: (n,) cluster of each, 0 to G - 1.
        num_clusters: K, G to N.
        rng: source of randomness, for the clusters without labels.
        iterations: most steps.
        tolerance: ours: stop when at most this share of the samples changes its cluster, in [0, 1).
        points_per_center: ours: None takes all samples in every step; a number takes a random sample of that
            many for each center, with the labelled ones, and assigns all others once, at the end. The history
            is that of the sample.

    Raises:
        ValueError: K outside G to N.
    """
    seeded = int(groups.max()) + 1
    if not seeded <= num_clusters <= len(features):
        raise ValueError(f"{num_clusters} clusters, {seeded} seeds, {len(features)} samples")
    labelled = rows_of(features, rows)
    first = cluster_means(labelled, groups, np.zeros((seeded, features.shape[1])))
    centers = spread_start(features, num_clusters, rng, first)
    few = sampled(len(features), num_clusters, points_per_center, rng)
    if few is not None:
        few = np.union1d(few, rows)
        part = _steps(
            part_of(features, few),
            np.searchsorted(few, rows),
            groups,
            centers,
            iterations,
            tolerance,
        )
        assignment, _ = nearest_center(features, part.centers)
        assignment[rows] = groups
        return SeedClustering(part.centers, assignment, part.history)
    return _steps(features, rows, groups, centers, iterations, tolerance)


def _steps(
    features: Points,
    rows: IntArray,
    groups: IntArray,
    centers: FloatArray,
    iterations: int,
    tolerance: float,
) -> SeedClustering:
    """The steps on all samples given, from these centers (K, d)."""
    labelled = rows_of(features, rows)
    before: IntArray | None = None
    history: list[float] = []
    for _ in range(iterations):
        assignment, distance = nearest_center(features, centers)
        assignment[rows] = groups
        distance[rows] = squared_distances(labelled, centers[groups])
        history.append(float(distance.sum()))
        if before is not None and np.mean(assignment != before) <= tolerance:
            break
        centers = cluster_means(features, assignment, centers)
        before = assignment
    return SeedClustering(centers, assignment, history)


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
    points_per_center: int | None = None,
    device: torch.device | None = None,
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
        points_per_center: as in `seed_kmeans`.
        device: where samples are clustered, as in `nearest.placed`.

    Returns:
        Shape (N, num_classes), float32.
    """
    classes, points = [], placed(features, device)
    for number, child in zip(cluster_numbers, rng.spawn(len(cluster_numbers)), strict=True):
        groups = seed_groups(features[rows], labels, number, split)
        found = seed_kmeans(
            points, rows, groups, number, child, points_per_center=points_per_center
        )
        classes.append(cluster_classes(groups, labels, number)[found.assignment])
    votes = count_votes(classes, num_classes)
    return normalised_votes(votes, len(cluster_numbers), normaliser)
