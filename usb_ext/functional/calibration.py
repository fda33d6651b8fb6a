"""How far confidence is from accuracy: bins, and the expected calibration error (AS3L, Table 9).

Guo et al. (2017): samples are put into bins of equal width by their confidence; the error is the mean
over the samples of | accuracy - mean confidence | of their bin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usb_ext.as3l.clustering.nearest import FloatArray

BINS = 15


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram in numbers.

    Attributes:
        counts: (bins,) samples in each.
        confidence: (bins,) their mean confidence; 0 in an empty bin.
        accuracy: (bins,) share of them that is right; 0 in an empty bin.
    """

    counts: NDArray[np.int64]
    confidence: FloatArray
    accuracy: FloatArray

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]; 0 without samples."""
        gaps = np.abs(self.accuracy - self.confidence) * self.counts
        return float(gaps.sum() / max(int(self.counts.sum()), 1))


def reliability(
    confidence: FloatArray, correct: NDArray[np.bool_], bins: int = BINS
) -> Reliability:
    """Accuracy by confidence.

    Args:
        confidence: (n,) in [0, 1]. A bin holds its lower edge; the last one both.
        correct: (n,) whether the prediction is right.
        bins: ours: 15, as in Guo et al. and torchmetrics.
    """
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    some = np.maximum(counts, 1)
    mean = np.bincount(place, weights=confidence, minlength=bins) / some
    right = np.bincount(place, weights=correct, minlength=bins) / some
    return Reliability(counts.astype(np.int64), mean, right)
