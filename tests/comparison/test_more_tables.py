"""Pooled gains and instability of a comparison whose numbers are known by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.compare import Trainer, planned, report_of

from usb_ext.comparison.more_tables import instability_table, pooled_table
from usb_ext.comparison.page import as_markdown
from usb_ext.comparison.plan import Planned

ERRORS = {
    ("uda", 20): (40, 30, 50), ("fixmatch", 20): (30, 31, 42), ("flexmatch", 20): (41, 33, 56),
    ("uda", 40): (20, 10), ("fixmatch", 40): (18, 10), ("flexmatch", 40): (14, 5),
}  # fmt: skip
"""Gains of fixmatch 10 -1 8 | 2 0, of flexmatch -1 -3 -6 | 6 5; fold 2 fails at 40 labels."""


def outcome(run: Planned) -> Any:
    errors = ERRORS[run.method.label, run.num_labels]
    if run.fold.seed >= len(errors):
        return {"status": "interrupted"}
    fell = {
        "largest_drop": 0.07 * run.fold.seed, "it": 30, "top1": 0.5, "best_it": 10, "best_top1": 0.6,
        "emptied_classes": [3, 7], "collapsed_classes": [],
    }  # fmt: skip
    top1 = round(1 - errors[run.fold.seed] / 100, 6)
    changed = {"top1_best": round(top1 + 0.02, 6)} if run.method.label == "fixmatch" else {}
    return {
        "accuracies": top1,
        "instability": fell if run.method.label == "fixmatch" and run.fold.seed else None,
        **changed,
    }


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("pooled")
    plan = planned(out, "uda", "fixmatch", "flexmatch", seeds=(0, 1, 2), counts=(20, 40))
    return report_of(plan, out, Trainer(outcome))


def test_all_label_counts_together(report: dict[str, Any]) -> None:
    """Fixmatch: ranks of 1 2 8 10 are 1 2 3 4, W+ = 9: of 16 sums, 9 and 10 are as large: 2 / 16."""
    table = pooled_table(report["pooled"], "last")
    shown = {row[0]: row[1:] for row in table.rows}
    assert table.header == ["", "fixmatch", "flexmatch"]
    assert shown["pairs"] == ["5", "5"]
    assert shown["gain, mean"] == ["+3.80", "+0.20"]
    assert (shown["least gain"], shown["greatest gain"]) == (
        ["-1.00", "-6.00"],
        ["+10.00", "+6.00"],
    )
    assert shown["better / equal / worse"] == ["3 / 1 / 1", "2 / 0 / 3"]
    assert shown["p, greater"][0] == f"{2 / 16:.4f}"
    assert shown["p, greater (Holm)"][0] == f"{2 * 2 / 16:.4f}"
    assert report["pooled"]["first"] == "uda"
    assert table.title in report["page"]


def test_holm_counts_all_tests_of_a_question(report: dict[str, Any]) -> None:
    families = {
        gain["gain"]["test"]["family"]
        for part in report["comparisons"]
        for gain in part["metrics"]["last"].values()
        if "gain" in gain
    }
    assert families == {4}
    assert {s["metrics"]["last"]["test"]["family"] for s in report["monotonicity"]} == {3}
    assert "(gains over the first method: 4)" in report["page"]
    assert "| fixmatch: p, greater (Holm) |" in report["page"]
    assert "| uda: p, helped (Holm) |" in report["page"]


def test_a_report_of_an_older_version_is_still_a_page(report: dict[str, Any]) -> None:
    """Without what the versions before did not say, as `usb-ext report` reads it."""
    old = json.loads(
        json.dumps({k: v for k, v in report.items() if k not in ("pooled", "against")})
    )
    gains = [g for p in old["comparisons"] for m in p["metrics"].values() for g in m.values()]
    for gain in [g["gain"] for g in gains if "gain" in g]:
        del gain["test"]["holm"], gain["test"]["family"]
    for step in old["monotonicity"]:
        for gain in step["metrics"].values():
            del gain["test"]["holm"], gain["test"]["family"]
    for run in old["runs"]:
        for key in ("largest_drop", "drop_from", "drop_to", "emptied_classes"):
            del run[key]
    page = as_markdown(old, ["last"])
    assert "p, greater" in page and "Holm" not in page and "instability" not in page


def test_one_p_value_is_not_corrected(tmp_path: Path) -> None:
    plan = planned(tmp_path, "uda", "fixmatch", seeds=(0, 1, 2), counts=(20,))
    page = report_of(plan, tmp_path, Trainer(outcome))["page"]
    assert "p, greater" in page and "Holm" not in page and "All label counts" not in page


def test_instability_by_method(report: dict[str, Any]) -> None:
    """Drops of fixmatch 0, 7 and 14 points; it ends 2 points above its best on each fold."""
    table = instability_table(report["comparisons"][0], report["runs"])
    assert table is not None and table.title in report["page"]
    shown = {row[0]: row[1:] for row in table.rows}
    assert shown["fixmatch"] == ["7.00", "14.00", "2, 2", "10", "30", "3 7", "2.00", "2.00"]
    assert shown["uda"] == ["0.00", "0.00", "-", "-", "-", "-", "0.00", "0.00"]


def test_records_that_say_nothing_of_instability_make_no_table(tmp_path: Path) -> None:
    plan = planned(tmp_path, "uda", seeds=(0,))
    found = report_of(plan, tmp_path, Trainer(lambda run: 0.5))
    assert instability_table(found["comparisons"][0], found["runs"]) is None
    assert "instability" not in found["page"]
