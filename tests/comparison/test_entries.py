"""Which runs may be averaged: whole folds of one source, everything else named with its reason."""

from pathlib import Path
from typing import Any

from support.compare import Ended, Trainer, of_seed, planned, report_of

from usb_ext.comparison.plan import Planned


def test_a_method_without_any_run_does_not_empty_the_others_folds(tmp_path: Path) -> None:
    def outcome(run: Planned) -> Any:
        return Ended(1, "no") if run.method.label == "uda" else of_seed(run)

    plan = planned(tmp_path, "fixmatch", "uda", "flexmatch", seeds=(0, 1))
    part = report_of(plan, tmp_path, Trainer(outcome))["comparisons"][0]
    assert (part["methods"], part["absent"]) == (["fixmatch", "flexmatch"], ["uda"])
    assert len(part["folds"]) == 2


def test_runs_of_another_commit_or_version_are_named_and_left_out(tmp_path: Path) -> None:
    def outcome(run: Planned) -> Any:
        if run.fold.seed == 1:
            return {"accuracies": 0.5, "commit": "abcdef0123456789", "versions": {"torch": "3"}}
        return of_seed(run)

    plan = planned(tmp_path, "fixmatch", "flexmatch", seeds=(0, 1, 2))
    report = report_of(plan, tmp_path, Trainer(outcome))
    assert [fold["seed"] for fold in report["comparisons"][0]["folds"]] == [0, 2]
    reasons = [row["reason"] for row in report["left_out"]]
    assert (
        reasons
        == ["made with commit abcdef012345, torch 3 (most: abc); --allow-mixed counts it"] * 2
    )
    mixed = report_of(plan, tmp_path, Trainer(outcome), {"allow_mixed": True})
    assert len(mixed["comparisons"][0]["folds"]) == 3 and mixed["left_out"] == []
    assert mixed["environment"]["commit"] == ["abc", "abcdef0123456789"]
