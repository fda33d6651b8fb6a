"""`usb-ext bench --preset selection`: its rows, and that it says what it measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from usb_ext.bench import selection
from usb_ext.bench.selection import FULL, SIZES, SLICE, Setting, bench_selection, measure, mixture
from usb_ext.cli import main as cli


def test_the_sizes_are_those_asked_for() -> None:
    assert [n for n, d in SIZES if d == 128] == [12_500, 25_000, 50_000, 100_000]
    assert all(d == 2048 for _, d in SLICE)


def test_a_row_holds_positive_seconds_that_add_up() -> None:
    row = measure(300, 8)
    assert (
        row["cpu_s"] > 0 and row["select_s"] > 0 and row["propagate_s"] > 0 and row["peak_mb"] > 10
    )
    assert row["total_s"] == pytest.approx(row["select_s"] + row["propagate_s"], abs=0.002)
    other = measure(300, 8, setting=Setting(3, 12, (3, 14)))
    assert other["n"] == 300 and other["propagate_s"] > 0


def test_classes_of_the_mixture_lie_apart() -> None:
    features, classes = mixture(4000, 64, np.random.default_rng(0))
    means = np.stack([features[classes == c].mean(axis=0) for c in range(10)])
    gaps = np.linalg.norm(means[:, None] - means, axis=2)[~np.eye(10, dtype=bool)]
    assert features.dtype == np.float32 and gaps.min() > 1


class InThisProcess:
    """Stands in for the pool of one new process."""

    def Pool(self, _: int) -> "InThisProcess":
        return self

    def __enter__(self) -> "InThisProcess":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def apply(self, function: object, words: tuple[int, ...]) -> dict[str, float]:
        return {"n": words[0], "d": words[1], "select_s": 1.0, "propagate_s": 2.0, "total_s": 3.0,
                "peak_mb": 5.0}  # fmt: skip


def test_command_and_projection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection.multiprocessing, "get_context", lambda _: InThisProcess())
    full = bench_selection(False, None, lambda _: None)
    assert [(r["n"], r["d"]) for r in full["rows"]] == [*SIZES, *SLICE]
    on_gpu = bench_selection(False, None, lambda _: None, "cuda:0")
    assert on_gpu["rows"][-1]["n"] == FULL == 1_280_000 and "takes" not in on_gpu["table"]
    hours = 3.0 * 1_280_000 / SLICE[-1][0] / 3600
    assert f"1280000 x 2048 takes {hours:.2f} h and 39 GiB" in full["table"]
    words = ["bench", "--preset", "selection", "--small", "--json", str(tmp_path / "b.json")]
    assert cli.main(words) == 0
    report = json.loads((tmp_path / "b.json").read_text())
    assert len(report["rows"]) == 2 and report["clusters"] == [10, 20, 30, 40, 50, 60]
    assert report["command"].startswith("usb-ext") and "total" in capsys.readouterr().out
