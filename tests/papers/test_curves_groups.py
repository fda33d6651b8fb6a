"""Runs of one method brought together."""

from pathlib import Path
from typing import Any

import pytest
from support.evidence import fake_run

from usb_ext.core.errors import SettingsError
from usb_ext.papers.curves import group_runs, labels_of, make_group, method_name
from usb_ext.papers.found_runs import FoundRun

KEY = "eval/top-1-acc"


def made(folder: Path, steps: dict[int, float] | None = None, **changed: Any) -> FoundRun:
    rows = [{"it": step, KEY: value} for step, value in (steps or {1: 0.5}).items()]
    return FoundRun(fake_run(folder, rows=rows, **changed))


def test_seeds_make_a_group_and_other_settings_another(tmp_path: Path) -> None:
    a0, b0 = made(tmp_path / "a0", seed=0), made(tmp_path / "b0", seed=0, algorithm="fixmatch")
    a1, twin = made(tmp_path / "a1", seed=1), made(tmp_path / "twin", seed=1)
    slow = made(tmp_path / "slow", lr=0.125)
    groups = group_runs([a0, b0, a1, twin, slow])
    assert groups == [[a0, a1], [b0], [slow]]
    assert labels_of(groups) == ["layermatch, lr 0.0005", "fixmatch", "layermatch, lr 0.125"]
    assert labels_of(groups[:2]) == ["layermatch", "fixmatch"]


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({}, "layermatch"),
        ({"grad_relu": False}, "layermatch - grad_relu"),
        ({"algorithm": "fixmatch", "extensions": ["grad_relu"]}, "fixmatch + grad_relu"),
        ({"algorithm": "weak_strong", "base": "uda"}, "uda"),
        ({"algorithm": "mixmatch"}, "mixmatch"),
    ],
)
def test_methods_are_named_by_what_is_on_and_off(
    tmp_path: Path, changed: dict[str, Any], name: str
) -> None:
    assert method_name(made(tmp_path / "a", **changed).settings) == name


def test_by_a_setting_mixes_and_says_so(tmp_path: Path) -> None:
    runs = [made(tmp_path / str(lr), lr=lr) for lr in (0.25, 0.125)]
    (group,) = group_runs(runs, ["algorithm"])
    assert group == runs and labels_of([group], ["algorithm"]) == ["layermatch"]
    assert make_group(group, "layermatch", KEY).remarks == ["its runs differ in lr"]
    by = ["lr", "algorithm"]
    assert labels_of(group_runs(runs, by), by) == ["lr 0.25, layermatch", "lr 0.125, layermatch"]


def test_an_unknown_setting_has_a_hint(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match="--by algoritm is no setting .* did you mean algorithm"
    ):
        group_runs([made(tmp_path / "a")], ["algoritm"])


def test_only_common_steps_are_kept(tmp_path: Path) -> None:
    first = made(tmp_path / "a", {10: 0.1, 20: 0.2, 40: 0.4}, seed=0)
    second = made(tmp_path / "b", {20: 0.5, 30: 0.6, 40: 0.7}, seed=1)
    group = make_group([first, second], "x", KEY)
    assert group.steps.tolist() == [20, 40]
    assert group.curves.tolist() == [[0.2, 0.4], [0.5, 0.7]]
    (remark,) = group.remarks
    assert remark.startswith("drawn on 2 common steps of the 4 that were logged; ")
    shorter = made(tmp_path / "shorter", {20: 0.5}, seed=3)
    assert f"{shorter.path} has fewest" in make_group([first, shorter], "x", KEY).remarks[0]
    assert make_group([first], "x", KEY).remarks == []
    third = made(tmp_path / "c", {1: 0.5}, seed=2)
    with pytest.raises(SettingsError, match="the runs of x have no step in common: .*a, .*c"):
        make_group([first, third], "x", KEY)
