"""Every number of the page on LayerMatch's parts on photographs follows from its CSV."""

import csv
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from support.pages import DOCS

PLACE = DOCS / "results" / "photographs_layermatch"
PAGE = (PLACE / "README.md").read_text(encoding="utf-8")
NAMES = {
    "FixMatch": "fixmatch-mlp",
    "FixMatch + Grad-ReLU": "fixmatch-grad-relu-mlp",
    "FreeMatch": "freematch-mlp",
    "LayerMatch": "layermatch-mlp",
    "LayerMatch without Avg-Clustering": "no-avg-clustering-mlp",
    "labelled images alone": "supervised-mlp",
    "FreeMatch, linear layer": "freematch-linear",
    "labelled images alone, linear layer": "supervised-linear",
}


def accuracies() -> dict[str, NDArray[np.float64]]:
    """In percent, by method, fold after fold."""
    with (PLACE / "compare.csv").open(newline="", encoding="utf-8") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["seed"]))
    assert {row["used"] for row in rows} == {"True"}
    return {
        name: np.array([100 - float(r["error_last"]) for r in rows if r["method"] == method])
        for name, method in NAMES.items()
    }


FOUND = accuracies()


def test_each_method_has_the_same_folds() -> None:
    (n,) = {len(values) for values in FOUND.values()}
    assert f"| n | {n} folds a method; {n * len(NAMES)} runs" in PAGE


@pytest.mark.parametrize("name", NAMES)
def test_means_follow_from_the_csv(name: str) -> None:
    values = FOUND[name]
    assert f"| {name} | {values.mean():.1f} ± {values.std(ddof=1):.1f} |" in PAGE


def test_gains_follow_from_the_csv() -> None:
    shown = re.findall(
        r"^\| (.+) \| (.+) \| (.+ \(.+ to .+\)) \| (0\.\d+) \| (\d\.\d+) \|$", PAGE, re.M
    )
    assert len(shown) == 4
    raw = []
    for first, second, gain, p, _ in shown:
        gains = FOUND[first] - FOUND[second]
        half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
        mean = gains.mean()
        assert gain == f"{mean:+.1f} ({mean - half:.1f} to {mean + half:.1f})"
        raw.append(stats.wilcoxon(gains, method="exact").pvalue)
        assert p == f"{raw[-1]:.3f}"
    for (*_, holm), own in zip(shown, raw, strict=True):
        smaller = sorted(p for p in raw if p <= own)
        corrected = max(min(1.0, (len(raw) - k) * p) for k, p in enumerate(smaller))
        assert holm == f"{corrected:.3f}"


def test_longer_runs_follow_from_the_csv() -> None:
    with (PLACE / "longer.csv").open(newline="", encoding="utf-8") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["seed"]))
    names = {
        "FixMatch": "fixmatch",
        "FreeMatch": "freematch",
        "LayerMatch": "layermatch",
        "LayerMatch without Avg-Clustering": "no-ac",
    }
    for name, method in names.items():
        at = [
            [
                f"{float(r['accuracy']):.1f}"
                for r in rows
                if (r["method"], r["step"]) == (method, step)
            ]
            for step in ("1000", "2000", "3000", "4500")
        ]
        assert {len(folds) for folds in at} == {2}
        assert f"| {name} | {' | '.join(map(', '.join, at))} |" in PAGE
