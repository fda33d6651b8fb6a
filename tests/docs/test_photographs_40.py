"""Every number of the page on `start` and photographs follows from its CSV."""

import csv

import numpy as np
import pytest
from scipy import stats
from support.pages import DOCS

PLACE = DOCS / "results" / "photographs_40"
PAGE = (PLACE / "README.md").read_text(encoding="utf-8")
ROWS = {
    "40 random labels, C = 0.01": "lr_random_C0.01",
    "40 random labels, C = 1": "lr_random_C1",
    "40 random labels, C = 100": "lr_random_C100",
    "the chosen labels, C = 1": "lr_chosen_C1",
    "the chosen labels, C = 100": "lr_chosen_C100",
}


def column(name: str, file: str = "runs.csv") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    with (PLACE / file).open(newline="", encoding="utf-8") as lines:
        return np.array([float(row[name]) for row in csv.DictReader(lines)])


def spread(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> str:
    return f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f}"


def test_there_are_ten_draws() -> None:
    for file in ("runs.csv", "runs_4000_steps.csv"):
        assert column("seed", file).tolist() == list(range(10))


@pytest.mark.parametrize(("row", "name"), list(ROWS.items()), ids=list(ROWS.values()))
def test_each_row_follows_from_the_csv(row: str, name: str) -> None:
    ours, theirs = column("start_accuracy"), column(name)
    gain = 100 * (ours - theirs)
    half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    p = stats.wilcoxon(gain, method="exact").pvalue
    interval = f"{gain.mean():+.1f} ({gain.mean() - half:.1f} to {gain.mean() + half:.1f})"
    assert f"| {row} | {spread(theirs)} | {interval} | {p:.3f} |" in PAGE


def test_what_start_reaches_follows_from_the_csv() -> None:
    assert f"| `start` | {spread(column('start_accuracy'))} |" in PAGE
    assert f"same mean ({spread(column('start_accuracy', 'runs_4000_steps.csv'))})" in PAGE
    for words, name in (
        ("choice of 40 images, mean of ten", "select_s"),
        ("training, mean of ten", "train_s"),
    ):
        assert f"| {words} | {column(name).mean():.0f} |" in PAGE
