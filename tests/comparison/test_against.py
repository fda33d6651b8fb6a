"""Each method against its own runs in another comparison, with numbers known by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.compare import Trainer, planned, report_of

from usb_ext.comparison.against import read_other
from usb_ext.comparison.plan import Planned
from usb_ext.core.errors import DataMissing, SettingsError

BALANCED = {"uda": (0.9, 0.8, 0.7), "flexmatch": (0.9, 0.9, 0.9)}
IMBALANCED = {"uda": (0.88, 0.81, 0.7), "flexmatch": (0.8, 0.6, 0.5), "fixmatch": (0.5, 0.5, 0.5)}


def accuracy(of: dict[str, tuple[float, ...]]) -> Any:
    def outcome(run: Planned) -> Any:
        return of[run.method.label][run.fold.seed]

    return outcome


@pytest.fixture
def held(tmp_path: Path) -> dict[str, Any]:
    """An imbalanced comparison of three methods, against the balanced runs of two."""
    plan = planned(tmp_path / "balanced", "uda", "flexmatch", seeds=(0, 1, 2))
    report_of(plan, tmp_path / "balanced", Trainer(accuracy(BALANCED)))
    out = tmp_path / "imbalanced"
    plan = planned(out, "uda", "flexmatch", "fixmatch", seeds=(0, 1, 2))
    asked = {"other": read_other("balanced", out)}
    return report_of(plan, out, Trainer(accuracy(IMBALANCED)), asked)


def test_each_method_is_held_against_its_own_runs(held: dict[str, Any]) -> None:
    found = held["against"]
    (part,) = found["parts"]
    uda, flexmatch = (part["metrics"]["last"][name] for name in ("uda", "flexmatch"))
    assert uda["gain"]["values"] == [-2.0, 1.0, 0.0]
    assert flexmatch["gain"]["values"] == [-10.0, -30.0, -40.0]
    assert (flexmatch["there"], flexmatch["here"]) == pytest.approx((10.0, 36.6666667))
    test = flexmatch["gain"]["test"]
    assert (test["greater"], test["less"]) == (1.0, 1 / 8)
    assert (test["family"], test["holm"]["less"]) == (2, 2 / 8)
    assert found["missing"] == ["fixmatch"]


def test_the_page_shows_the_drop(held: dict[str, Any]) -> None:
    page = held["page"]
    assert "40 labels: gain of each method over its own runs in balanced" in page
    assert "| gain, mean | -0.33 | -26.67 |" in page
    assert "| p, less (Holm) | 0.5000 | 0.2500 |" in page
    assert "without a run on the same fold in balanced: fixmatch" in page


def test_a_folder_may_be_named_by_its_path(tmp_path: Path, held: dict[str, Any]) -> None:
    other = read_other(str(tmp_path / "balanced"), tmp_path / "elsewhere" / "x")
    assert len(other.report["runs"]) == 6


def test_what_cannot_be_held_against_is_refused(tmp_path: Path, held: dict[str, Any]) -> None:
    out = tmp_path / "imbalanced"
    with pytest.raises(
        DataMissing, match=r"--against nothing: there is no compare\.json in nothing"
    ):
        read_other("nothing", out)
    with pytest.raises(SettingsError, match="is this comparison's own folder"):
        read_other("imbalanced", out)
    report = tmp_path / "balanced" / "compare.json"
    elsewhere = json.loads(report.read_text())
    elsewhere["environment"]["dataset"] = ["cifar10"]
    report.write_text(json.dumps(elsewhere))
    plan, trainer = planned(out, "uda", seeds=(0,)), Trainer(lambda run: 0.5)
    with pytest.raises(SettingsError, match="is on cifar10, this comparison on digits"):
        report_of(plan, out, trainer, {"other": read_other("balanced", out)})
    del elsewhere["runs"][0]["used"]
    for damaged in ("[]", json.dumps(elsewhere), "{"):
        report.write_text(damaged)
        with pytest.raises(DataMissing, match=r"compare\.json"):
            read_other("balanced", out)
