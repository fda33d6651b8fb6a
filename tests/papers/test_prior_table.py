"""`usb-ext prior-grid`: selection x propagation x labels in one table, beside the paper's."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usb_ext.cli.main import main
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.papers.prior_table import PriorCell, prior_csv, prior_grid


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command on features that say the class, with flags: exit code, standard output, errors."""
    targets = load_digits_arrays(16).train_targets
    rng = np.random.default_rng(0)
    values = np.eye(10)[targets] + rng.normal(scale=0.05, size=(len(targets), 10))
    np.savez(tmp_path / "features.npz", features=values.astype(np.float32))

    def run(*flags: str) -> tuple[int, str, str]:
        given = {
            "dataset": "digits", "num_classes": 10, "img_size": 16, "as3l_tune_epochs": 0,
            "as3l_runs": 2, "features": tmp_path / "features.npz", "save_dir": tmp_path,
        }  # fmt: skip
        words = [w for k, v in given.items() for w in (f"--{k}", str(v))]
        code = main(["prior-grid", *words, *flags])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def cell(strategy: str, method: str, count: int, seed: int, accuracy: float) -> PriorCell:
    return PriorCell(strategy, method, count, seed, accuracy, 10, 0.1)


def test_means_over_seeds_beside_the_papers_numbers() -> None:
    """(60 + 70) / 2 = 65, deviation sqrt(50) = 7.1; the paper prints 71.41±4.10 there."""
    cells = [cell("as3l", "seed_kmeans", 10, 0, 60.0), cell("as3l", "seed_kmeans", 10, 1, 70.0)]
    cells.append(cell("random", "llgc", 40, 0, 50.0))
    grid = prior_grid(cells, "cifar10")
    assert grid.header[2:] == [
        ("10 labels", "paper"), ("10 labels", "ours"), ("40 labels", "paper"), ("40 labels", "ours"),
    ]  # fmt: skip
    assert grid.body == [
        ["as3l", "seed_kmeans", "71.41±4.10", "65.0±7.1 (n=2)", "74.91±1.66", ""],
        ["random", "llgc", "53.42±5.36", "", "69.59±2.35", "50.0 (n=1)"],
    ]
    assert [line[1] for line in prior_grid(cells, "digits").header[2:]] == ["ours", "ours"]


def test_every_cell_is_a_line_of_the_csv() -> None:
    rows = list(csv.DictReader(prior_csv([cell("usl", "llgc", 20, 2, 61.25)]).splitlines()))
    assert [(r["strategy"], r["num_labels"], r["accuracy"]) for r in rows] == [
        ("usl", "20", "61.25")
    ]


def test_the_grid_is_made_once(call: Any, tmp_path: Path) -> None:
    flags = ("--strategies", "as3l", "random", "--budgets", "10", "--seeds", "0", "1")
    code, out, err = call(*flags)
    assert code == 0, err
    with (tmp_path / "prior_grid" / "prior_grid.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2
    ours = [float(r["accuracy"]) for r in rows if r["strategy"] == "as3l"]
    others = [float(r["accuracy"]) for r in rows if r["strategy"] == "random"]
    assert min(ours) > 95 > max(others)  # one image of every well separated class, or not
    made = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("prior.npz")}
    assert len(made) == 8
    code, again, _ = call(*flags)
    assert code == 0 and again.splitlines()[-2:] == out.splitlines()[-2:]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("prior.npz")} == made


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--budgets", "0"), "--budgets holds 0"),
        (("--strategies", "best"), "invalid choice: 'best'"),
        (("--budgets", "2000", "--seeds", "0"), "budget is 2000"),
        (("--nett", "x"), "nett"),
    ],
)
def test_a_mistake_is_one_line(call: Any, flags: tuple[str, ...], said: str) -> None:
    code, _, err = call(*flags)
    assert code == 2 and said in err and len(err.strip().splitlines()) == 1
