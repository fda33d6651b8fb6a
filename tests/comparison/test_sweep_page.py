"""What is written about a sweep."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from usb_ext.comparison.sweep_page import as_csv, draw, page_of


def report(best: str | None = "lr=0.01,T=1", **changed: Any) -> dict[str, Any]:
    cells = [
        {"label": f"lr={lr},T={t}", "values": (lr, t), "validation": {"0": error, "1": error + 2},
         "test": {"0": error + 10}, "missing": ()}
        for lr, t, error in (("0.01", "1", 5.0), ("0.01", "2", 7.0), ("0.1", "1", 9.0), ("0.1", "2", 11.0))
    ]  # fmt: skip
    axes = {"lr": ["0.01", "0.1"], "T": ["1", "2"]}
    made = {
        "command": "usb-ext sweep",
        "axes": axes,
        "chosen_on": "x",
        "best": best,
        "cells": cells,
    }
    return {**made, **changed}


def test_two_axes_are_crossed() -> None:
    page = page_of(report())
    lines = page.splitlines()
    start = lines.index("**error (%) on validation images**")
    assert lines[start + 2 : start + 6] == [
        "| lr \\ T | 1 | 2 |",
        "|---|---|---|",
        "| 0.01 | 6.00 ± 1.41 | 8.00 ± 1.41 |",
        "| 0.1 | 10.00 ± 1.41 | 12.00 ± 1.41 |",
    ]
    assert "| 0.1 | 19.00 | 21.00 |" in lines


def test_other_grids_are_a_row_a_cell() -> None:
    made = report(axes={"lr": ["0.01", "0.1"]})
    made["cells"] = [{**cell, "values": (cell["values"][0],)} for cell in made["cells"][::2]]
    assert "| 0.01 | 6.00 ± 1.41 | 15.00 | 1 |" in page_of(made)


def test_runs_that_are_missing_are_named_and_empty() -> None:
    made = report(best=None)
    made["cells"][3] |= {"validation": {}, "test": {}, "missing": ("0", "1")}
    page = page_of(made)
    assert "lr=0.1,T=2: no run that can be used for seed 0, 1" in page and "| - |" in page
    assert as_csv(made).splitlines()[0] == "lr,T,seed,error_validation,error_last"
    assert as_csv(made).splitlines()[1] == "0.01,1,0,5.0,15.0"
    assert as_csv(made).splitlines()[-2:] == ["0.1,2,0,,", "0.1,2,1,,"]


def test_the_heat_map_shows_means_where_they_belong_and_frames_the_best(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    files = draw(report(), tmp_path / "sweep")
    assert [file.name for file in files] == ["sweep.png", "sweep.svg"]
    axes = drawn[0].axes[0]
    assert axes.images[0].get_array().tolist() == [[6.0, 8.0], [10.0, 12.0]]
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0, 0): "6.00", (1, 0): "8.00", (0, 1): "10.00", (1, 1): "12.00"}
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    for value, shown in ((6.0, "6.00"), (12.0, "12.00")):
        cell = axes.images[0].cmap(axes.images[0].norm(value))
        dark = sum(cell[:3]) < 1.5
        assert colours[shown] == ("white" if dark else "black")
    assert [patch.get_xy() for patch in axes.patches] == [(-0.5, -0.5)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.01", "0.1"]


@pytest.mark.parametrize("axes", [{"lr": ["0.01", "0.1"]}, {"a": ["1"], "b": ["1"], "c": ["1"]}])
def test_there_is_no_heat_map_of_another_number_of_axes(
    tmp_path: Path, axes: dict[str, Any]
) -> None:
    assert draw(report(axes=axes), tmp_path / "sweep") == []
    assert list(tmp_path.iterdir()) == []
