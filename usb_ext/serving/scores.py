"""How good predictions are: accuracy with its interval, classes, confusion, calibration, the worst images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from usb_ext.core.classification import rarely_predicted, scores

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]
LEVEL = 0.95
"""Of the intervals."""

BINS = 15
"""ours: of equal width, as Guo et al. (2017, "On Calibration of Modern Neural Networks") have them."""


@dataclass(frozen=True)
class Share:
    """A share of n, with Wilson's interval (Wilson, 1927), which is right for few images and near 0 and 1.

    Attributes:
        hits: number of them.
        n: of how many.
    """

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """hits / n, None of none."""
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends at LEVEL, in [0, 1]; None of none."""
        if not self.n:
            return None
        found = binomtest(self.hits, self.n).proportion_ci(LEVEL, method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Bin:
    """Images whose probability lies in (low, high].

    Attributes:
        low: lower end.
        high: upper end.
        n: images.
        confidence: their mean probability of the predicted class, None of none.
        accuracy: the share of them that is right, None of none.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, eq=False)
class Measured:
    """Predictions of n images beside their classes, K in all.

    Attributes:
        targets: (n,) the classes.
        predicted: (n,) the most probable ones.
        confidence: (n,) the probability of those.
        margin: (n,) how much more probable they are than the second.
        num_classes: K.
    """

    targets: IntArray
    predicted: IntArray
    confidence: FloatArray
    margin: FloatArray
    num_classes: int

    @property
    def right(self) -> NDArray[np.bool_]:
        """(n,) whether the prediction is right."""
        right: NDArray[np.bool_] = self.targets == self.predicted
        return right

    @property
    def accuracy(self) -> Share:
        """The share that is right."""
        return Share(int(self.right.sum()), len(self.targets))

    @property
    def confusion(self) -> IntArray:
        """(K, K) counts, rows = true class."""
        return scores(self.targets, self.predicted, self.num_classes).confusion

    @property
    def bins(self) -> tuple[Bin, ...]:
        """The reliability diagram: BINS of equal width."""
        return reliability(self.confidence, self.right)

    @property
    def calibration_error(self) -> float:
        """ECE: mean over images of the distance of confidence and accuracy, by bins."""
        parts = (
            b.n * abs(b.confidence - b.accuracy)
            for b in self.bins
            if b.confidence is not None and b.accuracy is not None
        )
        return sum(parts) / len(self.targets)

    def surely_wrong(self, most: int) -> list[int]:
        """Positions of the wrong ones, the most probable first; at most so many."""
        wrong = np.flatnonzero(~self.right)
        order = wrong[np.argsort(-self.confidence[wrong], kind="stable")]
        return [int(i) for i in order[:most]]

    def least_sure(self, most: int) -> list[int]:
        """Positions of those with the smallest margin, right or wrong; at most so many."""
        return [int(i) for i in np.argsort(self.margin, kind="stable")[:most]]


def reliability(confidence: FloatArray, right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """How often predictions of a probability are right, in BINS bins (low, high] of equal width.

    Args:
        confidence: (n,) probabilities of the predicted classes, in [0, 1].
        right: (n,).
    """
    edges = np.linspace(0.0, 1.0, BINS + 1)
    which = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    found = []
    for number in range(BINS):
        inside = which == number
        n = int(inside.sum())
        mean = float(confidence[inside].mean()) if n else None
        hits = float(right[inside].mean()) if n else None
        found.append(Bin(float(edges[number]), float(edges[number + 1]), n, mean, hits))
    return tuple(found)


def emptied_classes(confusion: IntArray) -> list[int]:
    """Classes that are predicted for less than a tenth of their own number of images."""
    return rarely_predicted(confusion.sum(axis=0), confusion.sum(axis=1))


@dataclass(frozen=True)
class OfClass:
    """One class: of its images the share that is found, of its predictions the share that is right."""

    name: str
    recall: Share
    precision: Share


def by_class(confusion: IntArray, classes: Sequence[str]) -> list[OfClass]:
    """Recall and precision of each class from the confusion matrix (K, K)."""
    hits, true, told = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        OfClass(name, Share(int(h), int(t)), Share(int(h), int(p)))
        for name, h, t, p in zip(classes, hits, true, told, strict=True)
    ]


def row_shares(confusion: IntArray) -> FloatArray:
    """(K, K) each row in percent of its images; a row without any is 0."""
    shares: FloatArray = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return shares


def as_json(share: Share) -> dict[str, Any]:
    """A share for a JSON file."""
    low, high = share.interval or (None, None)
    return {"share": share.value, "hits": share.hits, "n": share.n, "low": low, "high": high}
