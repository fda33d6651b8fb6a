"""A run's number in a cell's terms."""

from pathlib import Path
from typing import Any

import pytest
from support.evidence import fake_run

import usb_ext
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.placing import score
from usb_ext.papers.tables import PublishedNumber

RECORD = {"top1_last": 0.5, "top1_best": 0.75, "top1_median20": 0.25, "f1_last": 0.125}
TESTED = {"test_top1_last": 0.375, "test_top1_best": 0.625}


def cell(table: str, **chosen: str) -> PublishedNumber:
    cells = usb_ext.published(table)
    return next(c for c in cells if all(getattr(c, k) == v for k, v in chosen.items()))


ACCURACY, ERROR = cell("layermatch-1"), cell("influence-1")
F1, MEDIAN = cell("layermatch-3", metric="F1"), cell("as3l-2", method="FlexMatch")


@pytest.mark.parametrize(
    ("of", "which", "record", "value"),
    [
        (ACCURACY, "paper", {}, 50.0),
        (ACCURACY, "best", {}, 75.0),
        (ERROR, "paper", {}, 50.0),
        (ERROR, "best", {}, 25.0),
        (F1, "last", {}, 12.5),
        (F1, "best", {}, None),
        (MEDIAN, "paper", {}, 25.0),
        (MEDIAN, "last", {}, 50.0),
        (cell("as3l-2", method="FixMatch-Sel"), "paper", {}, None),
        (cell("as3l-8"), "last", {}, None),
        (ACCURACY, "last", TESTED, 37.5),
        (ERROR, "best", TESTED, 37.5),
        (MEDIAN, "paper", TESTED, None),
        (ACCURACY, "last", {"top1_last": None}, None),
    ],
)
def test_scores(
    tmp_path: Path, of: PublishedNumber, which: str, record: dict[str, Any], value: float | None
) -> None:
    run = FoundRun(fake_run(tmp_path / "run", record={**RECORD, **record}))
    assert score(run, of, which) == value
