"""What stands on the page of a run whose numbers are known by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.run import TINY

from usb_ext.reporting.own_data import Examples
from usb_ext.reporting.page import Page, Section
from usb_ext.reporting.run_page import MOST_CLASSES, Measurement, RunFacts, run_page
from usb_ext.serving.scores import Measured, Share
from usb_ext.settings import load_settings

TARGETS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 0])
SURE = np.array([0.9, 0.6, 0.95, 0.8, 0.7, 0.99])


@pytest.fixture
def facts() -> RunFacts:
    images = np.zeros((6, 4, 4, 3), np.uint8)
    names = [f"i{n}" for n in range(6)]
    measured = Measured(TARGETS, PREDICTED, SURE, 2 * SURE - 1, 3)
    return RunFacts(
        name="my run",
        settings=load_settings({**TINY, "num_classes": 10}).settings,
        result=None,
        classes=("a", "b", "c"),
        rows=[],
        confusion=None,
        measurement=Measurement(measured, list(images), names, "the evaluation split"),
        check=None,
        labelled=Examples(list(images[:2]), ("x", "y"), np.array([1, -1])),
        num_labelled=7,
        unknown=("the weather",),
    )


def section(page: Page, title: str) -> Section:
    (found,) = [s for s in page.sections if s.title == title]
    return found


def texts(grid: Any) -> list[list[str]]:
    return [[cell.text for cell in row] for row in grid.rows]


def test_confusion_in_counts_and_row_percent(facts: RunFacts) -> None:
    counts, percent = section(run_page(facts, 9), "Confusion").grids
    assert texts(counts) == [["a", "2", "1", "0"], ["b", "1", "1", "0"], ["c", "1", "0", "0"]]
    assert texts(percent)[:2] == [["a", "66.7", "33.3", "0.0"], ["b", "50.0", "50.0", "0.0"]]
    assert counts.rows[1][1].shade == 0.5


def test_of_many_classes_the_most_frequent_confusions() -> None:
    from usb_ext.reporting.run_page import _confusion

    count = MOST_CLASSES + 1
    confusion = np.diag(np.full(count, 5))
    confusion[3, 7], confusion[8, 2] = 5, 4
    (grid,) = _confusion(confusion, [f"c{n}" for n in range(count)])
    assert texts(grid) == [["c3", "c7", "5", "50.0"], ["c8", "c2", "4", "44.4"]]


def test_classes_that_emptied_are_named(facts: RunFacts) -> None:
    lines = section(run_page(facts, 9), "Classes").lines
    assert lines[0].endswith(": c.")


def test_accuracy_with_its_interval(facts: RunFacts) -> None:
    page = run_page(facts, 9)
    assert page.summary[1].startswith("Accuracy 50.0 % (95 % interval 18.8 to 81.2) on 6 images")
    recorded = replace(
        facts, measurement=None, confusion=np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    )
    assert "83.3 %" in run_page(recorded, 9).summary[1]
    checked = run_page(replace(facts, check=Share(45, 50)), 9).summary[2]
    assert checked.startswith("Accuracy 90.0 % (95 % interval 78.6 to 95.7) on 50 random images")
    assert run_page(replace(facts, measurement=None), 9).summary[1] == "Accuracy: not known."
    assert page.unknown == ("the weather",)


def test_galleries(facts: RunFacts) -> None:
    page = run_page(facts, 2)
    wrong, unsure = section(page, "Most surely wrong"), section(page, "Least sure")
    assert [f.caption[2] for f in wrong.gallery] == ["i5", "i2"]
    assert wrong.gallery[0].caption[0] == "a, is c" and wrong.lines[0].startswith(
        "2 of 3 wrong ones"
    )
    assert [f.caption[2] for f in unsure.gallery] == ["i1", "i4"]
    assert unsure.gallery[0].caption[0] == "a, right"
    labels = section(page, "Labels")
    assert [f.caption[0] for f in labels.gallery] == ["b", "class not known"]
    assert labels.lines == ["2 of 7 labelled images."]


def test_an_unfinished_run_says_so(facts: RunFacts) -> None:
    page = run_page(facts, 2)
    asked = section(page, "What was asked")
    assert asked.lines == ["The run has not ended."] and ("labelled images", "7") in asked.facts
    assert section(page, "Curves").lines == ["Nothing has been logged."]
    names = dict(section(page, "Settings").facts)
    assert names["algorithm"] == "layermatch" and "None" not in names.values()


def test_curves_are_drawn(facts: RunFacts) -> None:
    rows = [
        {"it": 1, "train/total_loss": 2.0},
        {"it": 2, "train/total_loss": 1.0, "eval/top-1-acc": 0.5},
    ]
    picture = section(run_page(replace(facts, rows=rows), 2), "Curves").picture
    assert picture is not None and str(picture.address).startswith("data:image/png;base64,")
