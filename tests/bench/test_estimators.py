"""`usb-ext bench --preset estimators`: the same draws for all, and a table that follows from the rows."""

import csv
import json
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from usb_ext.bench.estimators import FIRST, bench_estimators, digits, estimators, examples_of, table
from usb_ext.cli.main import main
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import file_sha256
from usb_ext.data.features import Features, write_features


class Told:
    """An estimator that keeps what it is given and says class 1 of everything."""

    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    def fit(self, X: np.ndarray, y: np.ndarray) -> None:
        self.seen.append((X, y))

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.ones(len(X), np.int64)


def test_all_get_the_same_labels_and_the_first_gets_them_alone() -> None:
    data, seen = digits(), {FIRST: list[Any](), "other": list[Any]()}
    made = {name: (lambda _, kept=kept: Told(kept)) for name, kept in seen.items()}
    report = bench_estimators(data, 40, range(3), made, lambda _: None)
    assert [row["accuracy"] for row in report["rows"]] == [
        100 * (data.test_targets == 1).mean()
    ] * 6
    marked = []
    for (X, y), (all_X, all_y) in zip(seen[FIRST], seen["other"], strict=True):
        assert len(y) == 40 and np.bincount(y).tolist() == [4] * 10
        known = np.flatnonzero(all_y >= 0)
        assert len(all_y) == 1297 and sorted(map(tuple, X)) == sorted(map(tuple, all_X[known]))
        assert (all_y[known] == data.train_targets[known]).all()
        marked.append(known.tolist())
    assert marked[0] != marked[1]
    np.testing.assert_allclose(data.train.mean(axis=0), 0, atol=1e-9)


def test_the_table_follows_from_the_rows() -> None:
    first, other = [50.0, 60.0, 55.0, 58.0], [52.0, 64.0, 54.0, 63.0]
    rows = [
        {"method": name, "num_labels": 40, "draw": i, "accuracy": value, "seconds": i + 1.0}
        for name, values in ((FIRST, first), ("other", other))
        for i, value in enumerate(values)
    ]
    top, last = table(rows).splitlines()[2:]
    assert (
        top
        == f"| {FIRST} | {statistics.mean(first):.1f} ± {statistics.stdev(first):.1f} | | | | 2.5 |"
    )
    gain = [b - a for a, b in zip(first, other, strict=True)]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(gain), scale=stats.sem(gain))
    p = stats.wilcoxon(gain, method="exact").pvalue
    assert last.split("|")[3:6] == [
        f" {np.mean(gain):+.1f} ",
        f" {low:+.1f} to {high:+.1f} ",
        f" {p:.3f} ",
    ]


def test_the_command_measures_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "rows.csv", tmp_path / "report.json"]
    words = ["bench", "--preset", "estimators", "--small", "--draws", "1", "--labels", "20"]
    assert main([*words, "--csv", str(files[0]), "--json", str(files[1])]) == 0
    shown = capsys.readouterr()
    with files[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == list(estimators(20))
    assert {row["num_labels"] for row in rows} == {"20"}
    assert all(0 <= float(row["accuracy"]) <= 100 for row in rows)
    assert float(rows[0]["accuracy"]) > 50
    report = json.loads(files[1].read_text())
    assert shown.out.strip() == report["table"] and report["data"] == "digits"
    assert len(re.findall(r", draw 0: \d", shown.err)) == len(rows)
    assert main([*words, "--labels", "15"]) == 2
    assert "num_labels is 15, which does not divide by the 10 classes" in capsys.readouterr().err


def kept(folder: Path, *, known: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A folder of `usb-ext features`, written by hand; gives the plain views (12, 5) and (6, 5)."""
    folder.mkdir()
    views = np.random.default_rng(0).normal(2, 3, (12 * 3 + 6, 5)).astype(np.float16)
    np.save(folder / "views.npy", views)
    np.save(folder / "test_targets.npy", np.arange(6) % 2)
    plain = views[:36:3].astype(np.float32)
    targets = np.arange(12) % 2 if known else np.full(12, -1)
    write_features(
        folder / "features.npz", Features(plain, np.arange(12), targets, "x", ("a", "b"))
    )
    record = {"images": 12, "test_images": 6, "weak": 1, "strong": 1, "dimensions": 5}
    digest = file_sha256(folder / "views.npy")
    (folder / "views.json").write_text(json.dumps({**record, "sha256": digest}))
    return plain, views[36:].astype(np.float32)


def test_features_of_a_frozen_network_are_taken_in_their_plain_view(tmp_path: Path) -> None:
    plain, tested = kept(tmp_path / "kept")
    found = examples_of(tmp_path / "kept")
    mean, std = plain.mean(axis=0), plain.std(axis=0)
    np.testing.assert_allclose(found.train, (plain - mean) / std, atol=1e-4)
    np.testing.assert_allclose(found.test, (tested - mean) / std, atol=1e-4)
    with pytest.raises(SettingsError, match="no folder of `usb-ext features`"):
        examples_of(tmp_path / "none")
    kept(tmp_path / "unknown", known=False)
    with pytest.raises(DataMissing, match="training images without a class"):
        examples_of(tmp_path / "unknown")
