"""Every number of the page on LayerMatch's parts on photographs follows from its CSV."""

import csv

import pytest
from support.pages import DOCS
from support.paired import accuracies, check_pairs, spread

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


FOUND = accuracies(PLACE / "compare.csv", NAMES)


def test_each_method_has_the_same_folds() -> None:
    (n,) = {len(values) for values in FOUND.values()}
    assert f"| n | {n} folds a method; {n * len(NAMES)} runs" in PAGE


@pytest.mark.parametrize("name", NAMES)
def test_means_follow_from_the_csv(name: str) -> None:
    values = FOUND[name]
    assert f"| {name} | {spread(values)} |" in PAGE


def test_gains_follow_from_the_csv() -> None:
    check_pairs(PAGE, FOUND, 4)


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
