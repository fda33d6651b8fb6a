"""The page of a comparison whose errors are 20 30 40 and 10 30 10: intervals by hand, damage in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.compare import Trainer, planned, report_of

from usb_ext.comparison.page import write_files
from usb_ext.comparison.plan import Planned
from usb_ext.core.errors import DataMissing
from usb_ext.reporting.comparison_page import comparison_page, interval

T_2 = 4.302652729911275  # Student's t, 2 degrees of freedom, 0.975
CURVES = {
    ("a", 0): 0.8,
    ("a", 1): 0.7,
    ("a", 2): 0.6,
    ("<b>", 0): 0.9,
    ("<b>", 1): 0.7,
    ("<b>", 2): 0.9,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared")
    plan = planned(out, "a=uda", "<b>=fixmatch:T=0.7", seeds=(0, 1, 2))

    def outcome(run: Planned) -> Any:
        return {"accuracies": (0.5, CURVES[run.method.label, run.fold.seed])}

    about = {"command": "usb-ext compare --c x"}
    write_files(report_of(plan, out, Trainer(outcome), {"about": about}), out)
    return out


def test_intervals_by_hand(folder: Path) -> None:
    page = comparison_page(folder)
    (grid,) = page.sections[0].grids
    rows = [[cell.text for cell in row] for row in grid.rows]
    half = T_2 * np.std([20, 30, 40], ddof=1) / np.sqrt(3)
    assert rows[0] == ["a", "3", "30.00", f"{30 - half:.2f}", f"{30 + half:.2f}", "-", "-", "-"]
    gains = [10, 0, 30]
    half = T_2 * np.std(gains, ddof=1) / np.sqrt(3)
    mean = np.mean(gains)
    assert rows[1][5:] == [f"{mean:+.2f}", f"{mean - half:+.2f}", f"{mean + half:+.2f}"]


def test_one_fold_has_no_interval() -> None:
    assert list(interval([3.0], str)) == ["-", "-"] == list(interval([], str))


def test_tables_picture_and_facts(folder: Path) -> None:
    page = comparison_page(folder)
    intervals, picture, tables, made = page.sections
    assert picture.picture is not None and picture.picture.address is not None
    assert any("last checkpoint" in grid.title for grid in tables.grids)
    assert "command: usb-ext compare --c x" in made.lines
    assert page.summary == ["a, <b>: 40 labels on 3 folds."] and page.unknown == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "is no comparison: it has no comparisons"),
        ('{"runs": []}', "is no comparison"),
        (None, "is damaged or of another version"),
    ],
)
def test_damage_is_one_line(folder: Path, tmp_path: Path, content: str | None, said: str) -> None:
    if content is None:
        whole = json.loads((folder / "compare.json").read_text())
        whole["comparisons"][0]["metrics"] = {}
        content = json.dumps(whole)
    (tmp_path / "compare.json").write_text(content)
    with pytest.raises(DataMissing) as caught:
        comparison_page(tmp_path)
    assert said in str(caught.value) and "\n" not in str(caught.value)
