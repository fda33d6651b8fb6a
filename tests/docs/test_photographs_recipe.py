"""Every number of the page on one label a class follows from its CSV."""

import csv
from collections import defaultdict

import numpy as np
import pytest
from support.pages import DOCS
from support.paired import Column, accuracies, check_pairs, spread

PLACE = DOCS / "results" / "photographs_recipe"
PAGE = (PLACE / "README.md").read_text(encoding="utf-8")
BEFORE, OTHER = PAGE.split("## Other pictures")
HERE, PARTS_ALONE = BEFORE.split("## Which part does it")
ALONE = {
    "FreeMatch": "freematch",
    "LayerMatch": "layermatch",
    "Smooth FixMatch": "smooth",
    "FixMatch with influence weights": "influence",
    "AS3L": "as3l",
    "all four parts": "recipe-smooth",
    "all but the smooth weight": "recipe",
    "chosen labels, Grad-ReLU": "chosen-grad-relu",
}
WHOLE = {**ALONE, "chosen labels": "chosen", "chosen labels, linear layer": "chosen-linear"}
STUDIES = {
    "photographs": (HERE, PLACE / "compare.csv", WHOLE, 5),
    "parts": (PARTS_ALONE, PLACE / "compare.csv", WHOLE, 6),
    "emoji": (OTHER, PLACE / "emoji" / "compare.csv", ALONE, 5),
}


@pytest.mark.parametrize("study", STUDIES)
def test_means_and_gains_follow_from_the_csv(study: str) -> None:
    text, path, names, pairs = STUDIES[study]
    found = accuracies(path, names)
    for name, values in found.items():
        assert len(values) == 20
        assert study == "parts" or f"| {name} | {spread(values)} |" in text
    check_pairs(text, found, pairs)


def test_the_curves_follow_from_the_csv() -> None:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with (PLACE / "curves.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found[row["method"]][row["step"]].append(float(row["accuracy"]))
    for name, method in WHOLE.items():
        assert {len(values) for values in found[method].values()} == {20}
        means = [f"{np.mean(values):.1f}" for values in found[method].values()]
        assert f"| {name} | {' | '.join(means)} |" in PAGE


def test_both_ends_agree() -> None:
    """The last point of a curve is the accuracy that the comparison quotes."""
    ends: dict[str, list[float]] = defaultdict(list)
    with (PLACE / "curves.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["step"] == "1000":
                ends[row["method"]].append(float(row["accuracy"]))
    quoted: dict[str, Column] = accuracies(PLACE / "compare.csv", WHOLE)
    for name, method in WHOLE.items():
        assert np.allclose(sorted(ends[method]), sorted(quoted[name]), atol=0.011)


def test_the_priors_follow_from_the_csv() -> None:
    with (PLACE / "prior.csv").open(newline="", encoding="utf-8") as lines:
        found = np.array([float(row["accuracy"]) for row in csv.DictReader(lines)])
    assert len(found) == 20 and f"right for {spread(found)} %" in PAGE
