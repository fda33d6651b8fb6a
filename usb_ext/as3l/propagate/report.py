"""How good prior pseudo-labels are, where the classes are known (AS3L, Tables 8 and 9)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.as3l.given_labels import GivenLabels
from usb_ext.functional.calibration import Reliability, reliability


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
