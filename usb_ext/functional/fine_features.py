"""From features as they come to those that AS3L clusters: scaling, then fine-tuning (Sec. 4.4).

Selection and propagation both start here, with the same numbers and the same seed, so that they see the
same features whether or not one hands them to the other.
"""

from dataclasses import dataclass

import numpy as np
import torch

from usb_ext.as3l.clustering.fine_tuning import EPOCHS, tuned_features
from usb_ext.as3l.clustering.nearest import FloatArray, unit_length

TUNING, CHOICE, SPREADING = range(3)
NORMALISERS = ("l2", "none")


@dataclass(frozen=True)
class Tuning:
    """How features are prepared.

    Attributes:
        runs: C, runs of K-means (6 in the paper, Sec. 5.1.2).
        epochs: of the linear layer; 0 leaves it out.
        normalise: ours: `l2` divides each sample by its length first, so that the step size of the
            layer's optimizer has the same meaning for any features; `none` takes them as they are.
        points_per_center: as in `kmeans.kmeans`.
    """

    runs: int = 6
    epochs: int = EPOCHS
    normalise: str = "l2"
    points_per_center: int | None = None


def stream(seed: int, purpose: int) -> np.random.Generator:
    """A source of randomness of its own for TUNING, CHOICE and SPREADING, fixed by the seed."""
    return np.random.default_rng([seed, purpose])


def scaled(features: FloatArray, tuning: Tuning) -> FloatArray:
    """Features (N, d) as `normalise` says."""
    return unit_length(features) if tuning.normalise == "l2" else features


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
