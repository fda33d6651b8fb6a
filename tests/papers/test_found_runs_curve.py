"""One metric over the steps of a run, and what a broken file says."""

import json
from pathlib import Path

import pytest

from usb_ext.core.errors import DataMissing
from usb_ext.papers.found_runs import read_curve

KEY = "eval/top-1-acc"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "metrics.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_rows_with_the_key_by_step(tmp_path: Path) -> None:
    rows = [
        {"it": 20, KEY: 0.5},
        {"it": 10, "time": 1, "lr": 1},
        {"it": 5, KEY: 1},
        {"it": 20, KEY: 0.75},
    ]
    path = written(tmp_path, *map(json.dumps, rows), "")
    assert list(read_curve(path, KEY).items()) == [(5, 1.0), (20, 0.75)]


def test_a_missing_file_and_a_missing_key(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"metrics.jsonl cannot be read"):
        read_curve(tmp_path / "metrics.jsonl", KEY)
    path = written(tmp_path, '{"it": 1, "time": 2, "lr": 0.1, "train/loss": 3}')
    with pytest.raises(DataMissing, match=r"no row with eval/x; .* it has: lr, train/loss"):
        read_curve(path, "eval/x")


@pytest.mark.parametrize("line", ["{", "[1]", "3", '{"lr": 1}', '{"it": "three"}', '{"it": null}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, '{"it": 1, "eval/top-1-acc": 0.5}', line)
    with pytest.raises(DataMissing, match=r"metrics.jsonl:2 is no row of metrics") as raised:
        read_curve(path, KEY)
    assert "\n" not in str(raised.value)
