"""A paper's table as a grid: the paper's digits, and a column of ours beside each column with runs."""

import pytest

import usb_ext
from usb_ext.comparison.statistics import MeanAndSpread
from usb_ext.papers.grid import make_grid, our_text
from usb_ext.papers.placing import Ours, Placed

CELLS = usb_ext.published("layermatch-3")


def ours(mean: float, std: float | None, n: int, differs: str = "") -> Ours:
    return Ours(MeanAndSpread(mean, std, n), tuple(range(n)), differs)


def test_the_papers_table_alone() -> None:
    grid = make_grid(CELLS, Placed(), ["a note"])
    assert grid.title == (
        "layermatch-3 (Liang et al., LayerMatch, Table 3): top-1 accuracy (%), F1 (%), ImageNet-100, "
        "10000 labels"
    )
    assert grid.header == [("", "method"), ("top-1 accuracy (%)", "paper"), ("F1 (%)", "paper")]
    assert grid.body[1] == ["FreeMatch", "65.78", "65.29"]
    assert grid.notes == ["a note"]


def test_ours_stands_beside_the_paper_and_is_empty_where_nothing_was_run() -> None:
    number = next(n for n, c in enumerate(CELLS) if (c.method, c.metric) == ("FreeMatch", "F1"))
    grid = make_grid(CELLS, Placed({number: ours(64.5, None, 1, "lr 1 (paper: 2)")}), [])
    assert [column[-1] for column in grid.header] == ["method", "paper", "paper", "ours"]
    assert grid.body[0] == ["FixMatch", "66.24", "65.59", ""]
    assert grid.body[1] == ["FreeMatch", "65.78", "65.29", "64.50 (n=1) [1]"]
    assert grid.notes == ["[1] lr 1 (paper: 2)"]


def test_equal_differences_share_a_mark() -> None:
    found = {0: ours(1, None, 1, "x"), 2: ours(1, None, 1, "y"), 4: ours(1, None, 1, "x")}
    grid = make_grid(CELLS, Placed(found), [])
    assert grid.notes == ["[1] x", "[2] y"]
    assert [row[2][-3:] for row in grid.body] == ["[1]", "[2]", "[1]", "", ""]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("layermatch-1", "90.12±3.0 (n=3)"),
        ("influence-1", "90.12±1.50 (n=3)"),
        ("as3l-9", "90.123±1.500 (n=3)"),
        ("layermatch-3", "90.12±1.50 (n=3)"),
    ],
)
def test_ours_has_the_papers_digits_and_kind_of_spread(table: str, text: str) -> None:
    """Two deviations where the paper prints 2 sigma, one where it prints a standard deviation."""
    assert our_text(usb_ext.published(table)[0], ours(90.1234, 1.5, 3)) == text


def test_empty_cells_of_a_sparse_table_stay_empty() -> None:
    grid = make_grid(usb_ext.published("layermatch-2"), Placed(), [])
    (row,) = [row for row in grid.body if row[0] == "InstanT"]
    assert row[1:7] == [
        "94.83±0.1",
        "94.72±0.2",
        "95.57±0.0",
        "53.94±1.8",
        "67.09±0.0",
        "72.30±0.4",
    ]
    assert row[7:] == [""] * 4


@pytest.mark.parametrize("table", usb_ext.published())
def test_every_table_holds_each_of_its_numbers_once(table: str) -> None:
    cells = usb_ext.published(table)
    grid = make_grid(cells, Placed(), [])
    texts = sorted(t for row in grid.body for t in row if t and not t[0].isalpha())
    assert texts == sorted(cell.printed for cell in cells)
    assert {len(row) for row in grid.body} == {len(grid.header)}
