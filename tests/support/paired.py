"""Pages that compare methods on the same folds: their tables, made again from the runs alone."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Column = NDArray[np.float64]
PAIR = re.compile(
    r"^\| (.+) \| (.+) \| (\S+ \(\S+ to \S+\)) \| (0\.\d+|<0\.001) \| (\d\.\d+|<0\.001) \|$", re.M
)


def accuracies(path: Path, names: Mapping[str, str]) -> dict[str, Column]:
    """Accuracies of the last weights in percent, fold after fold.

    Args:
        path: `compare.csv`.
        names: the methods' names there, by those of the page.

    Returns:
        (n,) for each name of the page, in the order of the seeds.
    """
    with path.open(newline="", encoding="utf-8") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["seed"]))
    assert {row["used"] for row in rows} == {"True"}
    folds = {
        m: [(r["seed"], r["label_seed"]) for r in rows if r["method"] == m] for m in names.values()
    }
    assert len({tuple(of) for of in folds.values()}) == 1  # the same folds for all
    return {
        name: np.array([100 - float(r["error_last"]) for r in rows if r["method"] == method])
        for name, method in names.items()
    }


def spread(values: Column) -> str:
    """Mean and standard deviation as a page has them."""
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def interval(gains: Column) -> str:
    """Mean and 95 % interval by t."""
    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    return f"{gains.mean():+.1f} ({gains.mean() - half:.1f} to {gains.mean() + half:.1f})"


def p_of(gains: Column) -> float:
    """Two-sided, by Wilcoxon's exact test."""
    return float(stats.wilcoxon(gains, method="exact").pvalue)


def told(p: float) -> str:
    """A p-value as a page has it."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def holm(p: list[float]) -> list[float]:
    """Holm's correction, written down as it is defined: step by step, from the smallest."""
    corrected = [0.0] * len(p)
    largest = 0.0
    for step, place in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        largest = max(largest, min(1.0, (len(p) - step) * p[place]))
        corrected[place] = largest
    return corrected


def check_pairs(text: str, found: Mapping[str, Column], count: int) -> None:
    """Every row of a table of pairs follows from the runs.

    Args:
        text: of the page, with one such table.
        found: as `accuracies` gives them.
        count: how many pairs there are.
    """
    shown = PAIR.findall(text)
    assert len(shown) == count
    gains = [found[first] - found[second] for first, second, *_ in shown]
    p = [p_of(g) for g in gains]
    wanted = zip(map(interval, gains), map(told, p), map(told, holm(p)), strict=True)
    assert [row[2:] for row in shown] == list(wanted)
