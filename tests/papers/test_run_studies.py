"""What studies of runs make of rows: cells, gains paired by fold, the order of columns, a picture."""

from pathlib import Path

import pytest
from PIL import Image

from usb_ext.papers.run_studies import cell_gains, columns_of, draw_runs, study_grid, values_of
from usb_ext.papers.study import Row

ERRORS = {
    ("A", "m 0.9"): {0: 30.0, 1: 40.0, 2: 50.0},
    ("B", "m 0.9"): {2: 44.0, 1: 38.0, 0: 29.0},  # another order, paired by fold all the same
    ("A", "m 0.99"): {0: 60.0, 1: 61.0},
    ("B", "m 0.99"): {1: 64.0, 3: 1.0},
}


def rows() -> list[Row]:
    return [
        {
            "line": line, "place": place, "x": float(place[2:]), "num_labels": 40, "label_seed": seed,
            "seed": seed, "error_last": error, "normalised_std": None,
        }
        for (line, place), own in reversed(ERRORS.items())
        for seed, error in own.items()
    ]  # fmt: skip


def over_a(line: str, place: str) -> tuple[str, str] | None:
    return None if line == "A" else ("A", place)


def test_gains_are_of_the_same_fold_and_corrected_together() -> None:
    """Gains of B: 1, 2, 6 at 0.9, so p is 1/8; one pair at 0.99, which has no p."""
    found = cell_gains(rows(), over_a)
    assert sorted(found["B", "m 0.9", 40]["values"]) == [1.0, 2.0, 6.0]
    assert found["B", "m 0.99", 40]["values"] == [-3.0]
    test = found["B", "m 0.9", 40]["test"]
    assert (test["greater"], test["holm"]["greater"], test["family"]) == (1 / 8, 1 / 8, 1)
    assert found["B", "m 0.99", 40]["test"]["greater"] is None
    assert not cell_gains(rows(), lambda line, place: ("C", place))


def test_columns_run_by_what_is_varied() -> None:
    assert columns_of(rows()) == [("m 0.9", 40), ("m 0.99", 40)]
    grid = study_grid("t", rows(), over_a, ["n"])
    assert grid.header == [("", ""), ("m 0.9", "40 labels"), ("m 0.99", "40 labels")]
    shown = {row[0]: row[1:] for row in grid.body}
    assert shown["A"] == ["40.00±10.00 (n=3)", "60.50±0.71 (n=2)"]
    assert shown["gain"] == ["+3.00", "-3.00"]
    assert shown["p, greater"] == ["0.1250", "-"]
    assert grid.notes[0] == "n" and grid.notes[1].endswith("seeds 0 1 2 3")


def test_what_a_run_does_not_say_is_left_out() -> None:
    assert values_of(rows(), "error_last", "B", "m 0.99", 40) == [64.0, 1.0]
    assert values_of(rows(), "normalised_std", "B", "m 0.99", 40) == []


@pytest.mark.parametrize("place", [None, ""])
def test_a_picture_over_what_is_varied_or_over_labels(tmp_path: Path, place: str | None) -> None:
    given = [row if place is None else {**row, "place": place} for row in rows()]
    draw_runs(given, tmp_path / "x.png", "momentum")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size[0] > 2 * picture.size[1] > 400
