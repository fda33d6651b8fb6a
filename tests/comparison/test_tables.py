"""The tables of a comparison whose numbers are known by hand."""

from typing import Any

from usb_ext.comparison.tables import fold_table, number, overview_table, p_value, signed


def test_the_table_by_fold(report: dict[str, Any]) -> None:
    table = fold_table(report["comparisons"][0], "last")
    assert table.header == ["fold", "a_b", "x|y"] and table.rule_after == 3
    assert table.rows == [
        ["0", "20.00", "10.00"],
        ["1", "30.00", "30.00"],
        ["2", "40.00", "10.00"],
        ["mean", "30.00", "16.67"],
        ["std", "10.00", "11.55"],
        ["2 sigma", "20.00", "23.09"],
        ["minimum", "20.00", "10.00"],
        ["maximum", "40.00", "30.00"],
        ["gain over a_b", "-", "+13.33"],
        ["std of the gain", "-", "15.28"],
        ["better / equal / worse", "-", "2 / 1 / 0"],
        ["p, greater", "-", "0.2500"],
        ["p, less", "-", "1.0000"],
        ["p, two-sided", "-", "0.5000"],
    ]
    assert table.note.startswith("x|y: 1 gain(s) of zero dropped; 2 pair(s)")


def test_the_overview_has_a_column_a_label_count(report: dict[str, Any]) -> None:
    part = report["comparisons"][0]
    table = overview_table([part, {**part, "num_labels": 50, "metrics": {}, "folds": []}], "last")
    assert table.header == ["labels", "40", "50"]
    assert table.rows == [
        ["a_b", "30.00 ± 10.00", "-"],
        ["x|y", "16.67 ± 11.55", "-"],
        ["x|y: gain", "+13.33", "-"],
        ["x|y: p, greater", "0.2500", "-"],
        ["folds", "3", "0"],
    ]


def test_numbers_as_text() -> None:
    assert (number(None), number(1.005, 1), signed(0.0), signed(-1.0)) == (
        "-",
        "1.0",
        "+0.00",
        "-1.00",
    )
    assert [p_value(p) for p in (1 / 64, 0.5**20, None)] == ["0.0156", "9.5e-07", "-"]
