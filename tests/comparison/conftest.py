"""A comparison whose numbers are known by hand, for what is written about it."""

from typing import Any

import pytest
from support.compare import Trainer, planned, report_of
from support.jobs import FakeSlurm

from usb_ext.comparison import job_record, jobs
from usb_ext.comparison.plan import Planned

CURVES: dict[tuple[str, int], tuple[float, ...]] = {
    ("a_b", 0): (0.5, 0.9, 0.8),
    ("a_b", 1): (0.5, 0.7, 0.7),
    ("a_b", 2): (0.5, 0.6, 0.6),
    ("x|y", 0): (0.5, 0.9, 0.9),
    ("x|y", 1): (0.5, 0.7, 0.7),
    ("x|y", 2): (0.5, 0.8, 0.9),
}
"""Errors of the last: 20 30 40 and 10 30 10; gains 10 0 30."""


def outcome(run: Planned) -> Any:
    collapsed = [3, 7] if (run.method.label, run.fold.seed) == ("a_b", 2) else []
    labelled = {"class_coverage": 9 if run.fold.seed == 1 else 10, "counts": [1] * 10}
    curve = CURVES[run.method.label, run.fold.seed]
    return {"accuracies": curve, "collapsed_classes": collapsed, "labelled": labelled}


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report of two methods on three folds; `out` is the folder with its files."""
    out = tmp_path_factory.mktemp("tables")
    plan = planned(out, "a_b=uda", "x|y=fixmatch:T=0.7", seeds=(0, 1, 2))
    about = {
        "command": "usb-ext compare --c x",
        "methods": {"x|y": {"algorithm": "fixmatch", "settings": {"T": 0.7}}},
    }
    return {**report_of(plan, out, Trainer(outcome), {"about": about}), "out": out}


@pytest.fixture
def fake_slurm(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A Slurm that is made up, asked as often as a test asks."""
    fake = FakeSlurm()
    monkeypatch.setattr(jobs, "_answer", fake.submit)
    monkeypatch.setattr(job_record, "asked_of_slurm", fake.answer)
    monkeypatch.setattr(jobs, "LOOK_SECONDS", {"slurm": 0.0, "local": 0.0})
    monkeypatch.setattr(jobs, "GONE_SECONDS", 0.0)
    return fake
