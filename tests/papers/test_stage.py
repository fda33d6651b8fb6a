"""A table of a paper from run folders, in every format."""

import csv
from pathlib import Path

import pytest
from support.evidence import layermatch_runs
from support.run import run

from usb_ext.papers.stage import table


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return layermatch_runs(tmp_path / "runs")


def row_of(text: str, method: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(method)).split()


def test_text(runs: Path) -> None:
    """Mean 93; squares 9 + 1 + 16 = 26, over 2 is 13: 2 sigma is 7.2."""
    text = table("layermatch-1", [str(runs)]).text
    assert row_of(text, "LayerMatch")[:5] == [
        "LayerMatch",
        "93.94±3.9",
        "97.65±0.1",
        "93.00±7.2",
        "(n=3)",
    ]
    assert row_of(text, "FixMatch")[2:6] == ["97.44±0.9", "50.00", "(n=1)", "[1]"]
    assert "[1] num_train_iter 100 (paper: 204800)\n" in text
    assert "ours: n=1 is a single run and has no spread" in text
    assert "ours: seeds 0 | 0 1 2" in text
    assert "deviations over n - 1" in text and "left out" not in text


def test_population_deviations(runs: Path) -> None:
    """26 over 3: 2 sigma is 5.9."""
    text = table("layermatch-1", [str(runs)], ddof=0).text
    assert row_of(text, "LayerMatch")[3] == "93.00±5.9"
    assert "deviations over n\n" in text


def test_csv_has_a_line_a_cell_and_its_notes_apart(runs: Path) -> None:
    made = table("layermatch-1", [str(runs)], kind="csv")
    rows = list(csv.DictReader(made.text.splitlines()))
    assert len(rows) == 140
    (fix,) = [r for r in rows if r["ours_differs"]]
    assert (fix["method"], fix["ours_mean"], fix["ours_spread"], fix["ours_n"]) == (
        "FixMatch",
        "50.0",
        "",
        "1",
    )
    (layer,) = [r for r in rows if r["ours_n"] == "3"]
    assert (layer["paper_mean"], layer["paper_spread"], layer["paper_n"]) == ("97.65", "0.1", "3")
    assert float(layer["ours_spread"]) == pytest.approx(2 * 13**0.5, abs=1e-6)
    assert layer["ours_seeds"] == "0 1 2"
    assert any("single run" in note for note in made.notes)


def test_the_paper_alone_says_nothing_of_ours() -> None:
    text = table("layermatch-4", []).text
    assert "ours" not in text and "55.41" in text
    assert (
        "Table 1 has 93.94 for the same setting (LayerMatch, Grad-ReLU on, Avg-Clustering on)"
        in text
    )


def test_a_real_run_is_read_and_named(tmp_path: Path) -> None:
    """What the train stage leaves is what is read here; digits stand in no paper's table."""
    run(tmp_path, num_train_iter=2, epoch=1, num_eval_iter=2)
    text = table("layermatch-1", [str(tmp_path)]).text
    assert (
        f"left out: {tmp_path}/run: no cell of the table is layermatch (freematch + grad_relu + "
        "avg_clustering) on digits with 10 labels"
    ) in text
