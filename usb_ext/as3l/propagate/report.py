"""How good prior pseudo-labels are, where the classes are known (AS3L, Tables 8 and 9).

How far confidence is from accuracy: bins, and the expected calibration error (AS3L, Table 9).

Guo et al. (2017): samples are put into bins of equal width by their confidence; the error is the mean
over the samples of | accuracy - mean confidence | of their bin.

The reliability diagram: accuracy over confidence (AS3L, Table 9).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from usb_ext.as3l.inputs.given_labels import GivenLabels
from usb_ext.core.arrays import FloatArray

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


def prior_report(
    prior: NDArray[np.floating[Any]], given: GivenLabels
) -> tuple[dict[str, Any], Reliability | None]:
    """Numbers of `prior.json`, and the bins of the diagram.

    ours: an image without a prior counts as wrong in `accuracy` and is left out of `accuracy_reached` and
    of the calibration error. The labelled images count as all others.

    Args:
        prior: (N, C).
        given: the labels that were spread, and the true classes where they are known.

    Returns:
        The numbers, and the bins; None where no class is known.
    """
    reached = prior.sum(axis=1) > 0
    report: dict[str, Any] = {
        "num_labels": len(given.rows),
        "class_coverage": len(np.unique(given.labels)),
        "num_classes": len(given.classes),
        "reached": float(reached.mean()),
    }
    truth = given.truth
    if truth is None or not (reached & (truth >= 0)).any():
        return report, None
    known = truth >= 0
    both = known & reached
    correct = (prior.argmax(axis=1) == truth) & reached
    bins = reliability(prior.max(axis=1)[both], correct[both])
    report["accuracy"] = float(correct[known].mean())
    report["accuracy_reached"] = float(correct[both].mean())
    report["ece"] = bins.error
    return report, bins


def summary(report: dict[str, Any], path: Path) -> str:
    """The numbers in one or two lines for a person.

    Args:
        report: of `prior_report`.
        path: where the prior pseudo-labels are.
    """
    lines = [
        f"{report['num_labels']} labels of {report['class_coverage']} of {report['num_classes']} classes "
        f"reach {100 * report['reached']:.2f}% of the images: {path}"
    ]
    if "accuracy" in report:
        lines.append(
            f"accuracy {100 * report['accuracy']:.2f}% (of those reached "
            f"{100 * report['accuracy_reached']:.2f}%), ECE {report['ece']:.4f}"
        )
    return "\n".join(lines)


def draw_reliability(bins: Reliability, path: Path) -> None:
    """Accuracy of each bin of confidence, and below it how many samples the bin holds.

    Args:
        bins: what to draw.
        path: PNG to write.
    """
    edges = np.linspace(0, 1, len(bins.counts) + 1)
    middle, width = (edges[:-1] + edges[1:]) / 2, 1 / len(bins.counts)
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    upper.bar(middle, bins.accuracy, width, color="tab:blue", edgecolor="white")
    upper.plot((0, 1), (0, 1), color="gray", linestyle="--", linewidth=1)
    upper.set(ylabel="accuracy", ylim=(0, 1), xlim=(0, 1), title=f"ECE {bins.error:.4f}")
    lower.bar(middle, bins.counts, width, color="lightgray", edgecolor="white")
    lower.set(xlabel="confidence", ylabel="images")
    figure.savefig(path, dpi=110, format="png")
