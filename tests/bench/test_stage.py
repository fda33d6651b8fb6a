"""The bench stage: ratios within a turn, and the limit."""

from dataclasses import replace

import pytest
from support.bench import CPU, TINY

from usb_ext.bench.stage import bench, ratios, table
from usb_ext.methods.step import savings


def test_ratios_are_taken_within_a_turn() -> None:
    rates = {"ours-fixmatch": [4.0, 9.0, 8.0], "limit": [8.0, 10.0, 8.0]}
    assert ratios(rates) == {"ours-fixmatch / limit": {"median": 0.9, "min": 0.5, "max": 1.0}}


def test_savings_and_useful_limits_are_cases_where_rows_are_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A network with batch norm has none of them (`tests/cli/test_bench.py`)."""
    load = replace(TINY, net="support.nets:plain_vit", img_size=8, steps=1, warm_up=1)
    monkeypatch.setattr(savings, "LEAST_WORK", 1.0)
    report = bench(load, CPU, with_usb=False, say=lambda _: None)
    own = {"", "-no-saving", "-weak-only", "-selected-only"}
    assert set(report["it_per_s"]) == {
        "limit", "ours-freematch", "useful-fixmatch", "useful-layermatch",
        *(f"ours-{name}{case}" for name in ("fixmatch", "layermatch") for case in own),
    }  # fmt: skip
    rows = report["rows_per_step"]
    assert rows["all"] == 10 and rows["ours-fixmatch"] == 2, "an untrained network selects nothing"
    assert 2 <= rows["ours-layermatch"] <= 6
    assert {f"ours-{n} / useful-{n}" for n in ("fixmatch", "layermatch")} <= set(report["ratios"])
    assert "useful-layermatch / limit" in table(report)
