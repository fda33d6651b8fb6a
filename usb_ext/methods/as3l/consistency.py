"""Nearest neighbours in feature space: how good features are, and how consistent labels are there.

AS3L judges self-supervised features by the labels of each sample's nearest neighbours (Sec. 3, Fig. 2);
SimSiam's authors watch a weighted vote of the neighbours while they pre-train. Features are compared by
the angle between them (cosine), in blocks of queries, so memory is linear in the number of samples.
"""

import torch
import torch.nn.functional as F

from usb_ext.as3l.clustering.nearest import blocks

BLOCK_VALUES = 2**25
_NEVER = -2.0  # below every cosine


def weighted_vote(
    points: torch.Tensor,
    labels: torch.Tensor,
    queries: torch.Tensor,
    num_classes: int,
    k: int,
    temperature: float,
) -> torch.Tensor:
    """Class of each query by its neighbours' votes, each worth exp(cosine / T) (AS3L, Sec. 3).

    The vote is that of Wu et al. (2018), which SimSiam's authors report on CIFAR with k 200 and T 0.1.

    Args:
        points: (N, d) features with known classes.
        labels: (N,) their classes.
        queries: (M, d) features to classify.
        num_classes: C.
        k: neighbours that vote, >= 1; no more than N do.
        temperature: T > 0; the smaller, the more the nearest decides.

    Returns:
        (M,) classes.
    """
    points, queries = F.normalize(points, dim=1), F.normalize(queries, dim=1)
    found = []
    for rows in blocks(len(queries), max(1, len(points)), BLOCK_VALUES):
        cosine, near = (queries[rows] @ points.T).topk(min(k, len(points)), dim=1)
        votes = cosine.new_zeros(len(near), num_classes)
        votes.scatter_add_(1, labels[near], torch.exp((cosine - 1) / temperature))
        found.append(votes.argmax(1))
    return torch.cat(found) if found else labels.new_zeros(0)


def nearest_others(features: torch.Tensor, k: int) -> torch.Tensor:
    """The k nearest other samples of each sample, by cosine (AS3L, Sec. 3, Fig. 2).

    Args:
        features: (N, d).
        k: 1 to N - 1.

    Returns:
        (N, k) positions, nearest first, never the sample itself.

    Raises:
        ValueError: k outside 1 to N - 1.
    """
    if not 1 <= k < len(features):
        raise ValueError(f"{k} neighbours among {len(features)} samples")
    unit = F.normalize(features, dim=1)
    found = []
    for rows in blocks(len(unit), len(unit), BLOCK_VALUES):
        cosine = unit[rows] @ unit.T
        own = torch.arange(rows.start, rows.stop, device=unit.device)
        cosine[torch.arange(len(own), device=unit.device), own] = _NEVER
        found.append(cosine.topk(k, dim=1).indices)
    return torch.cat(found)


def label_consistency(labels: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """Mean share of a sample's neighbours that have its label (AS3L, Sec. 3, Fig. 2).

    Samples and neighbours with label -1 do not count.

    Args:
        labels: (N,) classes, -1 unknown.
        near: (N, k) positions of each sample's neighbours.

    Returns:
        Scalar of shape (), float64 in [0, 1]; the mean runs over the samples that have a label and a
        neighbour with one, and is NaN where there is none.
    """
    theirs = labels[near]
    known = (theirs >= 0) & (labels >= 0).unsqueeze(1)
    agree = (theirs == labels.unsqueeze(1)) & known
    count = known.sum(1)
    shares = agree.sum(1).double() / count.clamp(min=1)
    return shares[count > 0].mean()


def feature_spread(features: torch.Tensor) -> torch.Tensor:
    """Collapse check: sqrt(d) times the mean deviation of unit features (SimSiam, Fig. 2; AS3L, Sec. 3).

    Args:
        features: (N, d).

    Returns:
        Scalar of shape (): about 1 where features point everywhere, 0 where all point the same way.
    """
    unit = F.normalize(features, dim=1)
    spread: torch.Tensor = unit.std(0, unbiased=False).mean() * features.shape[1] ** 0.5
    return spread
