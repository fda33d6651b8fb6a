"""Feature fine-tuning: one linear layer that draws clusters together (AS3L, Sec. 4.4, Eq. 6).

L = 1/(C N) sum_i sum_j || f_i - c_ij ||^2, f_i = W x_i + b, c_ij the center that run j gives to sample i.
Samples whose runs agree move to one center; those between clusters are drawn several ways at once.

Because sum_j || f - c_j ||^2 = C || f - mean_j c_j ||^2 + a term without f, only the mean center of each
sample is kept: (N, d) instead of (C, N, d), with the same gradients.

From features as they come to those that AS3L clusters: scaling, then fine-tuning (Sec. 4.4).

Selection and propagation both start here, with the same numbers and the same seed, so that they see the
same features whether or not one hands them to the other.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from usb_ext.as3l.clustering.kmeans import Clustering, kmeans_runs
from usb_ext.as3l.clustering.nearest import placed
from usb_ext.core.arrays import FloatArray, blocks, unit_length
from usb_ext.settings.as3l import RUNS, TUNE_EPOCHS

BATCH = 512
LR = 1e-3


def tuned_features(
    features: FloatArray,
    num_clusters: int,
    rng: np.random.Generator,
    *,
    runs: int = RUNS,
    epochs: int = TUNE_EPOCHS,
    points_per_center: int | None = None,
    device: torch.device | None = None,
) -> FloatArray:
    """f_fine of the paper: C runs of K-means on f_self, then the linear layer.

    Args:
        features: (N, d) float32, f_self.
        num_clusters: K, the number of labels (Sec. 5.1.2).
        rng: source of randomness of both.
        runs: C.
        epochs: of the layer.
        points_per_center: as in `kmeans.kmeans`.
        device: of the layer, and of K-means where it is a GPU.

    Returns:
        Shape (N, d), float32.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    points = placed(features, device)
    clusterings = kmeans_runs(points, num_clusters, runs, rng, points_per_center)
    targets = mean_centers(clusterings)
    return fine_tune(features, targets, generator, epochs=epochs, device=device)


def mean_centers(runs: list[Clustering]) -> FloatArray:
    """Mean over the runs of each sample's center: shape (N, d)."""
    total = np.zeros((len(runs[0].assignment), runs[0].centers.shape[1]), dtype=np.float32)
    for run in runs:
        total += run.centers[run.assignment]
    return total / len(runs)


def fine_tune(
    features: FloatArray,
    targets: FloatArray,
    generator: torch.Generator,
    *,
    epochs: int = TUNE_EPOCHS,
    batch_size: int = BATCH,
    lr: float = LR,
    device: torch.device | None = None,
) -> FloatArray:
    """Features after a linear layer trained towards their mean centers.

    ours: the layer starts as the identity and is trained by Adam with step size 1e-3 in batches of 512;
    the paper gives 40 epochs and nothing else (Sec. 5.1.2).

    Args:
        features: (N, d) float32.
        targets: (N, d) mean centers.
        generator: draws the order of the batches, on the CPU.
        epochs: passes over the set; 0 gives the features back.
        batch_size: samples a step.
        lr: Adam's step size.
        device: where the layer is trained; None is the CPU.

    Returns:
        Shape (N, d), float32.
    """
    x, wanted = torch.from_numpy(features), torch.from_numpy(targets)
    weight = torch.eye(features.shape[1], device=device).requires_grad_()
    bias = torch.zeros(features.shape[1], device=device).requires_grad_()
    optimizer = torch.optim.Adam([weight, bias], lr=lr)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x), generator=generator), batch_size):
            tuned = F.linear(x[rows].to(device), weight, bias)
            loss = eq_6(tuned, wanted[rows].to(device))
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
    return _mapped(x, weight, bias)


def eq_6(tuned: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
    """Mean squared distance, shape (), of features (B, d) to centers (B, d): Eq. 6 up to a constant."""
    return (tuned - centers).square().sum(dim=1).mean()


@torch.no_grad()
def _mapped(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> FloatArray:
    """The layer on all samples, shape (N, d), block by block."""
    found = np.empty(tuple(x.shape), dtype=np.float32)
    for rows in blocks(len(x), x.shape[1]):
        found[rows] = F.linear(x[rows].to(weight.device), weight, bias).cpu().numpy()
    return found


TUNING, CHOICE, SPREADING = range(3)
NORMALISERS = ("l2", "none")


@dataclass(frozen=True)
class Tuning:
    """How features are prepared.

    Attributes:
        runs: C, runs of K-means (6 in the paper, Sec. 5.1.2).
        epochs: of the linear layer; 0 leaves it out.
        normalise: ours: `l2` divides each sample by its length first, so that the step size of the
            layer's optimizer has the same meaning for any features; `centered` subtracts the mean of all
            samples before that; `none` takes them as they are.
        points_per_center: as in `kmeans.kmeans`.
    """

    runs: int = RUNS
    epochs: int = TUNE_EPOCHS
    normalise: str = "l2"
    points_per_center: int | None = None


def stream(seed: int, purpose: int) -> np.random.Generator:
    """A source of randomness of its own for TUNING, CHOICE and SPREADING, fixed by the seed."""
    return np.random.default_rng([seed, purpose])


def scaled(features: FloatArray, tuning: Tuning) -> FloatArray:
    """Features (N, d) as `normalise` says."""
    if tuning.normalise == "none":
        return features
    if tuning.normalise == "centered":
        features = features - features.mean(axis=0, dtype=np.float64).astype(features.dtype)
    return unit_length(features)


def fine_features(
    features: FloatArray,
    num_clusters: int,
    seed: int,
    tuning: Tuning,
    device: torch.device | None = None,
) -> FloatArray:
    """f_fine, or the scaled features where `epochs` is 0.

    Args:
        features: (N, d) float32.
        num_clusters: K, the number of labels.
        seed: of the draws.
        tuning: how.
        device: of the linear layer; None is the CPU.

    Returns:
        Shape (N, d), float32.
    """
    values = scaled(features, tuning)
    if tuning.epochs == 0:
        return values
    return tuned_features(
        values,
        num_clusters,
        stream(seed, TUNING),
        runs=tuning.runs,
        epochs=tuning.epochs,
        points_per_center=tuning.points_per_center,
        device=device,
    )
