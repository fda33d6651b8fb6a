"""Page, LaTeX, CSV and picture of a comparison whose numbers are known by hand."""

import csv
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from usb_ext.comparison import page
from usb_ext.comparison import page as slope_plot
from usb_ext.comparison.page import (
    as_csv,
    as_latex,
    as_markdown,
    facts_of,
    latex,
    leading_first,
    markdown,
    tables,
    write_files,
)
from usb_ext.comparison.tables import Table


def test_the_other_metrics_follow_the_leading_one(report: dict[str, Any]) -> None:
    assert leading_first("best") == ["best", "last", "median20"]
    errors = {
        table.title.split("of the ", 1)[1]: [row[1:] for row in table.rows[:3]]
        for table in tables(report, leading_first("last"))
        if "error" in table.title
    }
    assert errors == {
        "last checkpoint": [["20.00", "10.00"], ["30.00", "30.00"], ["40.00", "10.00"]],
        "best checkpoint": [["10.00", "10.00"], ["30.00", "30.00"], ["40.00", "10.00"]],
        "median of the last 20 evaluations": [
            ["20.00", "10.00"],
            ["30.00", "30.00"],
            ["40.00", "20.00"],
        ],
    }


def test_collapsed_classes_by_run(report: dict[str, Any]) -> None:
    table = next(t for t in tables(report, ["last"]) if "collapsed" in t.title)
    assert table.rows == [["0", "-", "-"], ["1", "-", "-"], ["2", "3 7", "-"]]
    runs = [{**run, "collapsed_classes": []} for run in report["runs"]]
    none = {**report, "runs": runs}
    assert not [t for t in tables(none, ["last"]) if "collapsed" in t.title]
    assert "40 labels: no run has a collapsed class" in facts_of(none)
    assert not [line for line in facts_of(report) if "no run has" in line]


def test_the_page_says_what_a_number_needs(report: dict[str, Any]) -> None:
    facts = "\n".join(facts_of(report))
    for part in (
        "command: usb-ext compare --c x", "method x|y: fixmatch with T 0.7",
        "40 labels: n = 3 folds a method, seeds 0, 1, 2",
        "40 labels of label seed 1 cover 9 of 10 classes",
        "steps a run: 30", "6 runs, 3.0 seconds a run", "cpu: abacus, 1 threads",
        "torch 2", "commit: abc", "measured on: the test set", "not corrected",
    ):  # fmt: skip
        assert part in facts
    assert "hindsight" not in facts and "hindsight" in "\n".join(
        facts_of({**report, "metric": "best"})
    )
    assert facts_of(report)[0] in as_markdown(report, ["last"])


def test_markdown_and_latex_keep_every_cell_apart() -> None:
    table = Table("50% of x_1", ["fold", "a|b"], [["0", "1 ± 2"], ["mean", "#1 & {2}"]], 1, "p < 1")
    lines = markdown(table).splitlines()
    assert lines == [
        "**50% of x_1**", "", "| fold | a\\|b |", "|---|---|", "| 0 | 1 ± 2 |",
        "| mean | #1 & {2} |", "", "p < 1",
    ]  # fmt: skip
    text = latex(table)
    assert "\\caption{50\\% of x\\_1}" in text and "{\\footnotesize p $<$ 1}" in text
    assert "0 & 1 $\\pm$ 2 \\\\\n\\midrule\nmean & \\#1 \\& \\{2\\} \\\\" in text
    assert text.count("\\begin") == text.count("\\end") == 2


def test_every_row_of_the_latex_has_as_many_cells_as_its_header(report: dict[str, Any]) -> None:
    for body in re.findall(r"toprule\n(.*?)\\bottomrule", as_latex(report), re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith("\\\\")]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1


def test_the_csv_has_a_row_a_run_with_its_gain(report: dict[str, Any]) -> None:
    rows = list(csv.DictReader(as_csv(report).splitlines()))
    assert [(r["method"], r["seed"], r["error_last"], r["gain_last"]) for r in rows] == [
        ("a_b", "0", "20.0", ""),
        ("x|y", "0", "10.0", "10.0"),
        ("a_b", "1", "30.0", ""),
        ("x|y", "1", "30.0", "0.0"),
        ("a_b", "2", "40.0", ""),
        ("x|y", "2", "10.0", "30.0"),
    ]
    assert rows[4]["collapsed_classes"] == "3 7" and rows[2]["class_coverage"] == "9"
    assert {row["used"] for row in rows} == {"True"}


def test_the_picture_has_a_line_a_fold_and_the_mean(
    report: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[Any] = []

    class Kept(slope_plot.Figure):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            made.append(self)

    monkeypatch.setattr(slope_plot, "Figure", Kept)
    files = slope_plot.draw(report, tmp_path / "compare")
    lines = [list(line.get_ydata()) for line in made[0].axes[0].lines]
    assert lines == [[20, 10], [30, 30], [40, 10], [30, pytest.approx(50 / 3)]]
    first = [path.read_bytes() for path in files]
    assert Image.open(BytesIO(first[0])).format == "PNG" and b"<svg" in first[1]
    assert first == [path.read_bytes() for path in slope_plot.draw(report, tmp_path / "compare")]
    assert slope_plot.draw({**report, "comparisons": []}, tmp_path / "none") == []


def test_all_files_come_from_the_json(report: dict[str, Any], tmp_path: Path) -> None:
    stored = json.loads((report["out"] / "compare.json").read_text())
    write_files(stored, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (report["out"] / path.name).read_bytes(), path.name
    assert "![" in (tmp_path / "compare.md").read_text()


def test_methods_are_named_where_their_labels_cover_different_classes() -> None:
    """AS3L's arms choose the labelled images themselves, so one fold may cover more with one of them."""
    runs = [
        {"num_labels": 10, "label_seed": 0, "class_coverage": c, "classes": 10, "method": m}
        for m, c in (("random", 5), ("random + prior", 5), ("active", 10), ("lost", None))
    ]
    assert list(page._uncovered(runs)) == [
        "10 labels of label seed 0 cover 5 of 10 classes (random, random + prior)"
    ]
    assert list(page._uncovered(runs[:2])) == ["10 labels of label seed 0 cover 5 of 10 classes"]
