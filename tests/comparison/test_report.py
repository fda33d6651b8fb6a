"""A comparison as one JSON value: what a run's row holds, and the circumstances of all of them."""

import json
from pathlib import Path
from typing import Any

from scipy import __version__ as scipy_version

from usb_ext.comparison.entries import Entry, make_grid
from usb_ext.comparison.plan import Fold
from usb_ext.comparison.records import Record
from usb_ext.comparison.report import environment, make_report, run_row

RAW: dict[str, Any] = {
    "iterations": 100, "seconds": 2.5, "it_per_s": 40.0, "device": "cpu: abacus", "commit": "abc",
    "config_sha256": "0f", "collapsed_classes": [3], "dataset": "digits",
    "versions": {"torch": "2", "numpy": "2"},
    "labelled": {"class_coverage": 9, "counts": [1] * 10, "normalised_std": 0.25},
}  # fmt: skip


def entry(method: str, seed: int, last: float, split: str = "test split", **raw: Any) -> Entry:
    errors = {"last": last, "best": last - 1, "median20": last + 1}
    record = Record(errors, split, ((100, 2.5, 1 - last / 100),), {**RAW, **raw})
    return Entry(method, 40, Fold(7, seed), Path(f"runs/{method}_s{seed}"), record)


def failed(method: str, seed: int) -> Entry:
    return Entry(method, 40, Fold(7, seed), Path(f"runs/{method}_s{seed}"), None, "interrupted")


def test_a_row_is_flat_and_says_whether_the_run_counts() -> None:
    entries = [entry("a", 0, 10.0), entry("b", 0, 12.0), entry("a", 1, 20.0), failed("b", 1)]
    grids = [make_grid(entries, 40)]
    assert run_row(entries[0], grids) == {
        "method": "a", "num_labels": 40, "label_seed": 7, "seed": 0, "used": True, "reason": "",
        "error_last": 10.0, "error_best": 9.0, "error_median20": 11.0, "collapsed_classes": [3],
        "class_coverage": 9, "classes": 10, "normalised_std": 0.25, "iterations": 100,
        "seconds": 2.5, "it_per_s": 40.0, "device": "cpu: abacus", "commit": "abc",
        "config_sha256": "0f", "run": "a_s0", "largest_drop": None, "drop_from": None, "drop_to": None,
        "emptied_classes": None,
    }  # fmt: skip
    assert [run_row(e, grids)["used"] for e in entries] == [True, True, False, False]
    lost = run_row(entries[3], grids)
    assert (lost["reason"], lost["run"], lost["label_seed"]) == ("interrupted", "b_s1", 7)
    known = {"method", "num_labels", "label_seed", "seed", "used", "reason", "run"}
    assert {value for key, value in lost.items() if key not in known} == {None}


def test_circumstances_are_told_once_each() -> None:
    entries = [
        entry("a", 0, 10.0),
        entry("b", 0, 12.0, commit="def", seconds=1.25),
        entry("a", 1, 20.0, split="validation split", versions={"torch": "3", "numpy": "2"}),
        failed("b", 1),
    ]
    assert environment(entries) == {
        "dataset": ["digits"], "hardware": ["cpu: abacus"], "commit": ["abc", "def"],
        "versions": {"torch": ["2", "3"], "numpy": ["2"]}, "scipy": scipy_version,
        "iterations": [100], "measured_on": ["test split", "validation split"], "runs": 3,
        "seconds_in_all": 6.25,
    }  # fmt: skip


def test_the_report_is_json_and_asks_for_no_target_by_itself() -> None:
    entries = [entry("a", 0, 10.0), entry("b", 0, 12.0), failed("a", 1)]
    about = {"command": "usb-ext compare"}
    report = make_report(entries, "last", None, about)
    assert json.loads(json.dumps(report)) == report and next(iter(report)) == "command"
    assert (report["metric"], report["time_to"], report["monotonicity"]) == ("last", [], [])
    assert [part["num_labels"] for part in report["comparisons"]] == [40]
    assert [row["run"] for row in report["runs"]] == ["a_s0", "b_s0", "a_s1"]
    assert [row["reason"] for row in report["left_out"]] == ["interrupted"]
    timed = make_report(entries, "best", "a", about)["time_to"][0]["methods"]
    assert timed["a"]["runs"][0]["steps"] == 100 and timed["b"]["runs"][0]["steps"] is None
