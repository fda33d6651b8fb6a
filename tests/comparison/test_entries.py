"""Which runs may be averaged: whole folds of one source, everything else named with its reason."""

from pathlib import Path
from typing import Any

from support.compare import Ended, Trainer, of_seed, planned, report_of

from usb_ext.comparison.entries import Entry, left_out, make_grid, of_one_source
from usb_ext.comparison.plan import Fold, Planned
from usb_ext.comparison.records import Record


def test_a_method_without_any_run_does_not_empty_the_others_folds(tmp_path: Path) -> None:
    def outcome(run: Planned) -> Any:
        return Ended(1, "no") if run.method.label == "uda" else of_seed(run)

    plan = planned(tmp_path, "fixmatch", "uda", "flexmatch", seeds=(0, 1))
    part = report_of(plan, tmp_path, Trainer(outcome))["comparisons"][0]
    assert (part["methods"], part["absent"]) == (
        ["fixmatch", "flexmatch"],
        {"uda": "failed (2): no"},
    )
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


def entry(method: str, seed: int, last: float | None, **raw: Any) -> Entry:
    """A run with an error of its last checkpoint in percent, or one that failed."""
    fold, path = Fold(seed, seed), Path(f"runs/{method}_s{seed}")
    if last is None:
        return Entry(method, 40, fold, path, None, "failed: no memory")
    errors = {"last": last, "best": last, "median20": last}
    return Entry(method, 40, fold, path, Record(errors, "test split", (), raw))


def test_folds_that_every_method_has_are_compared_and_the_others_named() -> None:
    """`c` never ran and takes no fold away; `b` failed on fold 1, so `a` is left out there."""
    entries = [
        entry("a", 0, 10.0), entry("b", 0, 12.0), entry("c", 0, None),
        entry("a", 1, 20.0), entry("b", 1, None), entry("c", 1, None),
        entry("a", 2, 30.0), entry("b", 2, 35.0), entry("c", 2, None),
    ]  # fmt: skip
    grid = make_grid(entries, 40)
    assert (grid.methods, grid.absent) == (("a", "b"), {"c": "failed (3): no memory"})
    assert grid.folds == (Fold(0, 0), Fold(2, 2))
    assert grid.errors("a", "last") == [10.0, 30.0] and grid.errors("b", "best") == [12.0, 35.0]
    reasons = {(row["method"], row["seed"]): row["reason"] for row in left_out(entries, [grid])}
    assert reasons == {
        ("a", 1): "another method's run on this fold is left out",
        **{(m, s): "failed: no memory" for m, s in (("b", 1), ("c", 0), ("c", 1), ("c", 2))},
    }
    other = make_grid(entries, 250)
    assert (other.methods, other.folds, other.absent) == ((), (), {})


def test_runs_of_the_rarer_source_lose_their_record_with_what_is_other() -> None:
    usual = {"commit": "a" * 40, "versions": {"torch": "2", "numpy": "2"}}
    entries = [
        entry("a", 0, 1.0, **usual),
        entry("a", 1, 2.0, **usual),
        entry("a", 2, 3.0, **{**usual, "versions": {"torch": "3", "numpy": "2"}}),
        entry("a", 3, 4.0, **{**usual, "commit": "b" * 40 + "+changed"}),
        entry("a", 4, 5.0, versions=usual["versions"]),
        entry("a", 5, None),
    ]
    checked = of_one_source(entries, allow_mixed=False)
    assert [e.record is not None for e in checked] == [True, True, False, False, False, False]
    assert [e.reason for e in checked[2:]] == [
        "made with torch 3; --allow-mixed counts it",
        f"made with commit {'b' * 12}+changed (most: {'a' * 12}); --allow-mixed counts it",
        f"made with commit unknown (most: {'a' * 12}); --allow-mixed counts it",
        "failed: no memory",
    ]
    assert of_one_source(entries, allow_mixed=True) == entries
    assert of_one_source(entries[:2], allow_mixed=False) == entries[:2]


def test_runs_of_a_method_whose_processes_normalised_otherwise_are_not_averaged() -> None:
    """Methods may differ in it; the runs of one may not, unless it is asked for."""
    entries = [
        entry("a", 0, 1.0, bn_processes=[]), entry("a", 1, 2.0, bn_processes=[1]),
        entry("b", 0, 3.0, bn_processes=[2]), entry("b", 1, 4.0, bn_processes=[2, 1]),
        entry("b", 2, 5.0, bn_processes=[2]), entry("b", 3, None),
    ]  # fmt: skip
    checked = of_one_source(entries, allow_mixed=False)
    assert [e.record is not None for e in checked] == [True, True, True, False, True, False]
    assert checked[3].reason == (
        "made with sync_bn: false on 2 then 1 processes (most: 2); --allow-mixed counts it"
    )
    assert of_one_source(entries, allow_mixed=True) == entries
