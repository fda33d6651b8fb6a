"""The reliability diagram: accuracy over confidence (AS3L, Table 9)."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from usb_ext.functional.calibration import Reliability


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
