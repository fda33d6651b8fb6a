"""The bench stage: ratios within a turn, and the limit."""

from usb_ext.bench.stage import ratios


def test_ratios_are_taken_within_a_turn() -> None:
    rates = {"ours-fixmatch": [4.0, 9.0, 8.0], "limit": [8.0, 10.0, 8.0]}
    assert ratios(rates) == {"ours-fixmatch / limit": {"median": 0.9, "min": 0.5, "max": 1.0}}
