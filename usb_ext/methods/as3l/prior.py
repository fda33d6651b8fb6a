"""Prior pseudo-labels from votes, and what a weak prediction becomes with them (AS3L, Secs. 4.2, 4.3).

Every clustering gives each sample of a labelled cluster a vote for the cluster's class. Eq. 5:
y_post = normalize(y_prior + y_weak) up to iteration T, y_weak after it.
"""

import numpy as np
import torch

from usb_ext.as3l.clustering.nearest import FloatArray, IntArray

NORMALISERS = ("row", "runs")


def cluster_classes(groups: IntArray, labels: IntArray, num_clusters: int) -> IntArray:
    """Class of each cluster: that of its labelled samples, or -1.

    Args:
        groups: (n,) cluster of each labelled sample; a cluster holds one class.
        labels: (n,) class of each.
        num_clusters: K.

    Returns:
        Shape (K,).
    """
    found = np.full(num_clusters, -1, dtype=np.int64)
    found[groups] = labels
    return found


def count_votes(classes: list[IntArray], num_classes: int) -> FloatArray:
    """Votes of the runs.

    Args:
        classes: for each run the class it gives to every sample, shape (N,), -1 for none.
        num_classes: number of classes.

    Returns:
        Shape (N, num_classes), float32: how many runs vote for each class.
    """
    votes = np.zeros((len(classes[0]), num_classes), dtype=np.float32)
    for run in classes:
        reached = np.flatnonzero(run >= 0)
        votes[reached, run[reached]] += 1
    return votes


def normalised_votes(votes: FloatArray, runs: int, normaliser: str = "row") -> FloatArray:
    """y_prior from votes; a sample without votes keeps a row of zeros, that is, no prior.

    ours: the paper says "normalized" and no more. `row` divides each row by its own sum: rows sum to 1
    or 0, which alone fits the calibration errors of its Table 9. `runs` divides by the number of runs,
    so that samples which few runs reach weigh less in Eq. 5; their rows sum to less than 1.

    Args:
        votes: (N, num_classes), each at least 0.
        runs: number of runs, the largest possible row sum.
        normaliser: `row` or `runs`.

    Returns:
        Shape (N, num_classes), float32.

    Raises:
        ValueError: another normaliser.
    """
    if normaliser not in NORMALISERS:
        raise ValueError(f"normaliser {normaliser!r}")
    if normaliser == "runs":
        return (votes / runs).astype(np.float32)
    total = votes.sum(axis=1, keepdims=True)
    return (votes / np.where(total > 0, total, 1)).astype(np.float32)


def posterior(prior: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
    """y_post of Eq. 5: the sum of prior and prediction, divided by its own sum.

    Args:
        prior: (B, C), rows of sum at most 1; a row of zeros leaves the prediction as it is, bit by bit.
        probs: (B, C) probabilities of the weak views.

    Returns:
        Shape (B, C), rows of sum 1.
    """
    known = prior.sum(dim=-1, keepdim=True) > 0
    total = prior + probs
    return torch.where(known, total / total.sum(dim=-1, keepdim=True), probs)


def posterior_logits(prior: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Logits whose softmax is y_post, for bases that make probabilities themselves.

    ours: log y_post, where a probability of 0 counts as the smallest number of the dtype, so that no
    product with an infinity arises.

    Args:
        prior: (B, C); a row of zeros leaves its logits as they are, bit by bit.
        logits: (B, C) of the weak views, in at least single precision.

    Returns:
        Shape (B, C).
    """
    known = prior.sum(dim=-1, keepdim=True) > 0
    tiny = torch.finfo(logits.dtype).tiny
    log_post = posterior(prior, logits.softmax(dim=-1)).clamp_min(tiny).log()
    return torch.where(known, log_post, logits)
