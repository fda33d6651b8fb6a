"""The numbers of a comparison: gains against scipy, more labels run by run, the time to an accuracy."""

import csv
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from support.compare import Ended, Trainer, of_seed, planned, report_of

from usb_ext.comparison.plan import Planned

COUNTS = {20: 0.5, 30: 0.7, 40: 0.6}


def rising_then_falling(run: Planned) -> Any:
    """20 -> 30 labels helps on each of six folds, 30 -> 40 hurts on each of the five there are."""
    if run.method.label == "uda" and (run.num_labels, run.fold.seed) == (40, 2):
        return Ended(1, "not finite")
    return round(COUNTS[run.num_labels] + 0.01 * (run.num_labels - 20) * run.fold.seed / 10, 6)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("study")
    plan = planned(out, "uda", "fixmatch", seeds=tuple(range(6)), counts=(20, 30, 40))
    return report_of(plan, out, Trainer(rising_then_falling))


def test_each_step_has_its_p_value_by_method(study: dict[str, Any]) -> None:
    steps = {(s["method"], s["from"], s["to"]): s for s in study["monotonicity"]}
    assert list(steps) == [(m, a, b) for m in ("uda", "fixmatch") for a, b in ((20, 30), (30, 40))]
    helped = steps["uda", 20, 30]["metrics"]["last"]
    assert helped["values"] == [20.0, 21.0, 22.0, 23.0, 24.0, 25.0]
    assert (helped["test"]["greater"], helped["test"]["less"]) == (1 / 64, 1.0)
    hurt = steps["uda", 30, 40]["metrics"]["last"]
    assert hurt["values"] == [-10.0, -9.0, -7.0, -6.0, -5.0]
    assert (hurt["test"]["greater"], hurt["test"]["less"]) == (1.0, 1 / 32)
    assert [fold["seed"] for fold in steps["uda", 30, 40]["folds"]] == [0, 1, 3, 4, 5]
    assert len(steps["fixmatch", 30, 40]["folds"]) == 6


def test_the_study_is_a_table(study: dict[str, Any]) -> None:
    page = study["page"]
    assert "| labels | 20 to 30 | 30 to 40 |" in page
    assert "| uda: p, helped | 0.0156 | 1.0000 |" in page
    assert "| uda: p, hurt | 1.0000 | 0.0312 |" in page
    assert "| uda: worse / folds | 0 / 6 | 5 / 5 |" in page
    assert "| folds | 6 | 6 | 5 |" in page


CURVES: dict[tuple[str, int], tuple[float, ...]] = {
    ("slow", 0): (0.2, 0.6, 0.5, 0.8),
    ("slow", 1): (0.3, 0.4, 0.9, 0.7),
    ("fast", 0): (0.5, 0.8, 0.1, 0.9),
    ("fast", 1): (0.1, 0.2, 0.3, 0.6),
}


def timed(out: Path, target: float | str) -> dict[str, Any]:
    plan = planned(out, "slow=uda", "fast=fixmatch", seeds=(0, 1))
    trainer = Trainer(lambda run: CURVES[run.method.label, run.fold.seed])
    report = report_of(plan, out, trainer, {"target": target})
    found: dict[str, Any] = report["time_to"][0]["methods"]
    return found


def test_time_to_another_methods_last_accuracy_on_the_same_fold(tmp_path: Path) -> None:
    """Targets: 0.8 on fold 0, reached by fast at step 20 of 40; 0.7 on fold 1, never by fast."""
    found = timed(tmp_path, "slow")
    assert [run["steps"] for run in found["slow"]["runs"]] == [40, 30]
    assert [run["steps"] for run in found["fast"]["runs"]] == [20, None]
    assert [run["seconds"] for run in found["fast"]["runs"]] == [2.0, None]
    assert (found["fast"]["reached"], found["fast"]["n"]) == (1, 2)
    assert (found["fast"]["mean_steps"], found["fast"]["mean_share_of_steps"]) == (20, 0.5)
    assert found["slow"]["mean_steps"] == 35
    page = (tmp_path / "compare.md").read_text()
    assert "| fast | 1 of 2 | 20 | 2.0 | 0.50 | 20 - |" in page


def test_time_to_an_accuracy(tmp_path: Path) -> None:
    found = timed(tmp_path, 0.6)
    assert [run["steps"] for run in found["slow"]["runs"]] == [20, 30]
    assert [run["steps"] for run in found["fast"]["runs"]] == [20, 40]
    assert found["fast"]["mean_share_of_steps"] is None


def test_a_target_without_a_run_is_said(tmp_path: Path) -> None:
    def outcome(run: Planned) -> Any:
        return Ended(1, "no") if run.method.label == "slow" else 0.5

    plan = planned(tmp_path, "fixmatch", "slow=uda", seeds=(0,))
    report = report_of(plan, tmp_path, Trainer(outcome), {"target": "slow"})
    assert "40 labels: no time to slow, it has no usable run" in report["page"]


def test_the_exported_numbers_give_scipys_statistics(tmp_path: Path) -> None:
    plan = planned(tmp_path, "fixmatch", "flexmatch", seeds=(0, 2, 3, 4, 5, 6, 7))
    report = report_of(plan, tmp_path, Trainer(of_seed))
    with (tmp_path / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    errors = {
        m: [float(r["error_last"]) for r in rows if r["method"] == m]
        for m in ("fixmatch", "flexmatch")
    }
    exported = [float(r["gain_last"]) for r in rows if r["gain_last"]]
    expected = [b - a for a, b in zip(errors["flexmatch"], errors["fixmatch"], strict=True)]
    assert exported == pytest.approx(expected, abs=1e-9)
    found = report["comparisons"][0]["metrics"]["last"]["flexmatch"]["gain"]
    for side, key in (("greater", "greater"), ("less", "less"), ("two-sided", "two_sided")):
        p = stats.wilcoxon(exported, alternative=side).pvalue
        assert found["test"][key] == pytest.approx(p, rel=1e-12)
    assert (found["better"], found["equal"], found["worse"]) == (6, 0, 1)


def test_one_fold_gives_a_table_and_no_test(tmp_path: Path) -> None:
    plan = planned(tmp_path, "fixmatch", "flexmatch", seeds=(2,))
    report = report_of(plan, tmp_path, Trainer(of_seed))
    gain = report["comparisons"][0]["metrics"]["last"]["flexmatch"]["gain"]
    assert gain["values"] == [5.0] and gain["test"]["greater"] is None
    assert (
        "no test: 1 fold" in report["page"]
        and "| gain over fixmatch | - | +5.00 |" in report["page"]
    )
