"""Every number of the page on `start` and photographs follows from its CSV."""

import csv
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from support.pages import DOCS

Column = NDArray[np.float64]
PLACE = DOCS / "results" / "photographs_40"
PAGE = (PLACE / "README.md").read_text(encoding="utf-8")
HERE, OTHERS, BEFORE = "runs.csv", "runs_other_photographs.csv", "runs_before.csv"
KINDS = {
    "40 random labels, standardised": "random",
    "40 random labels, power": "random_power",
    "the chosen labels, standardised": "chosen",
    "the chosen labels, power": "chosen_power",
}
LISTED = [
    (f"{words}, C = {c}", f"{kind}_C{c}")
    for words, kind in KINDS.items()
    for c in ("0.01", "1", "100", "10000")
    if (kind, c) != ("chosen", "0.01") and (c != "10000" or "power" in kind)
] + [
    ("40 random labels, power, all 13 views, C = 1", "random_views_C1"),
    ("the chosen labels, power, all 13 views, C = 1", "chosen_views_C1"),
]


def column(name: str, file: str) -> Column:
    with (PLACE / file).open(newline="", encoding="utf-8") as lines:
        return np.array([float(row[name]) for row in csv.DictReader(lines)])


def spread(values: Column) -> str:
    return f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f}"


def row(
    words: str,
    ours: Column,
    theirs: Column,
) -> str:
    gain = 100 * (ours - theirs)
    half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    p = stats.wilcoxon(gain, method="exact").pvalue
    interval = f"{gain.mean():+.1f} ({gain.mean() - half:.1f} to {gain.mean() + half:.1f})"
    return f"| {words} | {spread(theirs)} | {interval} | {p:.3f} |"


@pytest.mark.parametrize("file", [HERE, OTHERS, BEFORE])
def test_there_are_ten_draws(file: str) -> None:
    assert column("seed", file).tolist() == list(range(10))


@pytest.mark.parametrize(("words", "name"), LISTED, ids=[name for _, name in LISTED])
@pytest.mark.parametrize("file", [HERE, OTHERS])
def test_each_row_follows_from_the_csv(words: str, name: str, file: str) -> None:
    table = PAGE[PAGE.index("## Other photographs") :] if file == OTHERS else PAGE
    assert row(words, column("start_accuracy", file), column(name, file)) in table


def test_what_start_reaches_follows_from_the_csv() -> None:
    for file in (HERE, OTHERS):
        assert f"| `start` | {spread(column('start_accuracy', file))} | | |" in PAGE
    best = "random_C100", "random_power_C100", "chosen_power_C100", "start_accuracy"
    means = [[100 * column(name, file).mean() for name in best] for file in (HERE, OTHERS)]
    parts = [[f"{b - a:.1f}" for a, b in pairwise(row)] for row in means]
    ((x, c, f), (x2, c2, f2)) = parts
    assert f"\n{x} points to random labels ({x2} on other photographs)" in PAGE
    assert f"choice of images then {c} ({c2}), and FreeMatch then {f} ({f2})." in PAGE
    before = "`start` before: K-medoids, FreeMatch on plain features"
    here, old = column("start_accuracy", HERE), column("start_accuracy", BEFORE)
    assert row(before, here, old) in PAGE
    for words, name in (("choice of 40 images", "select"), ("training", "train")):
        mean = column(f"{name}_seconds", HERE).mean()
        assert f"| {words}, one thread, mean of ten | {mean:.0f} |" in PAGE
