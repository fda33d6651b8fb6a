"""`docs/results/`: the tables follow from the CSV beside them, so that nothing else need be kept.

Means, deviations and p-values are made again here from the runs alone, by this file's own arithmetic.
"""

import csv
import itertools
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
DIGITS = RESULTS / "digits_10_labels"
COMPARISONS = sorted(RESULTS.rglob("compare.csv"))
METRICS = {
    "last checkpoint": "error_last",
    "best checkpoint": "error_best",
    "median of the last 20 evaluations": "error_median20",
}
FOLD_TABLE = re.compile(r"\*\*(\d+) labels: error \(%\) of the (.+?)\*\*\n\n((?:\|.*\n)+)")
PLUS_MINUS = re.compile(r"(\d+\.\d) ± (\d+\.\d)")
RATIO = re.compile(r"\d\.\d\d \(\d\.\d\d-\d\.\d\d\)")
PAGES = sorted(RESULTS.glob("*/README.md"))
FACTS = ("command", "seeds", "n", "spread", "steps", "hardware", "versions", "commit")


def cells(line: str) -> list[str]:
    """The cells of a row of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def signed_rank_p(gains: list[float]) -> tuple[float, float, float]:
    """Wilcoxon's p (greater, less, two-sided): every pattern of signs is counted, zeros are dropped."""
    gains = [gain for gain in gains if gain]
    sizes = sorted(abs(gain) for gain in gains)
    ranks = {s: statistics.mean(i + 1 for i, t in enumerate(sizes) if t == s) for s in sizes}
    found = sum(ranks[abs(gain)] for gain in gains if gain > 0)
    sums = [
        sum(itertools.compress((ranks[abs(g)] for g in gains), signs))
        for signs in itertools.product((False, True), repeat=len(gains))
    ]
    greater = sum(s >= found for s in sums) / len(sums)
    less = sum(s <= found for s in sums) / len(sums)
    return greater, less, min(1.0, 2 * min(greater, less))


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda p: str(p.parent.relative_to(RESULTS)))
def test_tables_of_a_comparison_follow_from_its_runs(path: Path) -> None:
    runs = rows_of(path)
    tables = FOLD_TABLE.findall(path.with_suffix(".md").read_text())
    assert len(tables) == 3 * len({run["num_labels"] for run in runs})
    for labels, metric, table in tables:
        header, _, *body = map(cells, table.splitlines())
        shown = {row[0]: row[1:] for row in body}
        first: list[float] = []
        for column, method in enumerate(header[1:]):
            own = [r for r in runs if (r["method"], r["num_labels"]) == (method, labels)]
            errors = [float(r[METRICS[metric]]) for r in own]
            assert all(r["used"] == "True" for r in own)
            wanted = {"mean": statistics.mean(errors), "std": statistics.stdev(errors)}
            if column:
                gains = [round(a - b, 6) for a, b in zip(first, errors, strict=True)]
                p = dict(zip(("greater", "less", "two-sided"), signed_rank_p(gains), strict=True))
                wanted |= {f"p, {side}": value for side, value in p.items()}
            else:
                first = errors
            for name, value in wanted.items():
                assert float(shown[name][column]) == pytest.approx(value, abs=0.0051), (
                    method,
                    name,
                )


def test_the_readme_shows_the_runs_of_the_first_example() -> None:
    text = (ROOT / "README.md").read_text()
    table = re.findall(r"^\| (\w+Match) \|(.*)\|$", text, re.M)
    runs = rows_of(DIGITS / "runs.csv")
    assert len(table) == 3 and len(runs) == 9
    for method, row in table:
        own = [float(r["top1_last"]) for r in runs if r["algorithm"] == method.lower()]
        numbers = [float(cell) for cell in row.split("|")]
        assert numbers[:3] == own
        assert numbers[3] == round(statistics.mean(own), 3)
        assert numbers[4] == round(statistics.stdev(own), 3)


def test_the_mechanisms_tables_follow_from_its_evaluations() -> None:
    """The last evaluation of each method, in the page's order; of the drift the largest."""
    folder = RESULTS / "layermatch_mechanism"
    by_method = {row["method"]: row for row in rows_of(folder / "mechanism.csv")}
    largest: dict[str, float] = {}
    for row in rows_of(folder / "mechanism.csv"):
        drift = float(row["averaged_drift"] or 0)
        largest[row["method"]] = max(largest.get(row["method"], 0), drift)
    lines = [cells(x) for x in re.findall(r"^\| \S.*\|$", (folder / "README.md").read_text(), re.M)]
    pulls, heads = (
        [line[1:] for line in lines if len(line) == width and line[0] != "method"]
        for width in (9, 4)
    )
    first = "top1 coverage pseudo_accuracy selected_accuracy head_by_sup head_by_unsup head_by_ac head_moved"
    for shown, (method, row) in zip(pulls, by_method.items(), strict=True):
        assert shown == [f"{float(row[k]):.3f}" if row[k] else "" for k in first.split()], method
    for shown, (method, row) in zip(heads, by_method.items(), strict=True):
        assert float(shown[0] or 0) == round(float(row["averaged_distance"] or 0), 3)
        assert float(shown[1] or 0) == pytest.approx(largest[method], rel=0.03)
        assert float(shown[2]) == round(float(row["theorem_4_2"]), 3)


@pytest.mark.parametrize("name", ["digits", "photographs"])
def test_gains_of_estimators_follow_from_their_fits(name: str) -> None:
    """Paired over draws, with Wilcoxon's two-sided p counted here, and Student's t for ten draws."""
    t_of_nine = 2.262157
    page = (RESULTS / "estimators" / "README.md").read_text()
    section = page.partition(f"`{name}.csv`)")[2].partition("\n## ")[0]
    shown = {line[0]: line[1:] for line in map(cells, section.splitlines()) if len(line) == 6}
    fits: dict[str, list[float]] = {}
    for row in rows_of(RESULTS / "estimators" / f"{name}.csv"):
        fits.setdefault(row["method"], []).append(float(row["accuracy"]))
    (first, *_), others = fits.values(), list(fits.items())[1:]
    assert len(first) == 10 and set(fits) <= set(shown)
    for method, values in others:
        gain = [round(b - a, 6) for a, b in zip(first, values, strict=True)]
        mean, half = statistics.mean(gain), t_of_nine * statistics.stdev(gain) / 10**0.5
        _, mean_cell, interval, p, _ = shown[method]
        assert float(mean_cell) == pytest.approx(mean, abs=0.051)
        ends = [float(end) for end in interval.split(" to ")]
        assert ends == pytest.approx([mean - half, mean + half], abs=0.051)
        assert float(p) == pytest.approx(signed_rank_p(gain)[2], abs=0.00051)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_a_page_of_results_says_how_it_was_made(page: Path) -> None:
    stated = {cells(line)[0] for line in page.read_text().splitlines() if line.startswith("|")}
    assert not [fact for fact in FACTS if fact not in stated]


def test_nothing_is_kept_that_follows_from_something_else() -> None:
    """`usb-ext compare` writes these too; the CSV and the page hold all that is in them."""
    for name in ("compare.json", "compare.tex", "compare.svg", "curves.svg"):
        assert not list(RESULTS.rglob(name))


def made_again(folder: Path) -> set[tuple[float, float]]:
    """Mean and deviation of the last error and accuracy of a method, and of each cell of a grid or study."""
    groups: dict[tuple[Path, str, str], list[float]] = {}
    for path in folder.rglob("*.csv"):
        for row in rows_of(path):
            if "error_last" in row:
                key = (path, row["method"], row["num_labels"])
                groups.setdefault(key, []).append(float(row["error_last"]))
                told_right = (path, f"{row['method']}, accuracy", row["num_labels"])
                groups.setdefault(told_right, []).append(100 - float(row["error_last"]))
            elif "start_accuracy" in row:
                for name in row.keys() - {"seed", "classes_chosen", "classes_random"}:
                    groups.setdefault((path, name, ""), []).append(100 * float(row[name]))
            elif "arm" in row:
                for name in ("accuracy", "coverage", "ece"):
                    key = (path, row["arm"] + name, row["num_labels"])
                    groups.setdefault(key, []).append(float(row[name]))
            elif "consistency" in row or "share" in row:
                value = 100 * float(row.get("consistency") or row["share"])
                key = (path, row.get("it") or row["bin"], row.get("num_labels", ""))
                groups.setdefault(key, []).append(value)
            elif "accuracy" in row:
                key = (path, row.get("strategy", "") + row["method"], row["num_labels"])
                groups.setdefault(key, []).append(float(row["accuracy"]))
    return {(statistics.mean(g), statistics.stdev(g)) for g in groups.values()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_means_on_a_page_follow_from_its_csv(page: Path) -> None:
    known = made_again(page.parent)
    for mean, std in PLUS_MINUS.findall(page.read_text()):
        near = (abs(m - float(mean)) < 0.0501 and abs(s - float(std)) < 0.0501 for m, s in known)
        assert any(near), f"{mean} ± {std}"


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs").glob("**/*.md")), ids=lambda page: page.stem
)
def test_figures_on_other_pages_stand_on_a_page_of_results(page: Path) -> None:
    if RESULTS not in page.parents:
        shown = "".join(result.read_text() for result in PAGES)
        for pattern in (PLUS_MINUS, RATIO):
            for found in pattern.finditer(page.read_text()):
                assert found[0] in shown
