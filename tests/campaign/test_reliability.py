"""The page of the campaigns' figures."""

from campaign.reliability import page, section


def test_a_page_holds_the_figures_and_names_every_failure() -> None:
    kinds = {
        "a": {"tried": 7, "ok": 4, "told": 2, "failed": [{"case": "x.json: cut", "why": "hung"}]}
    }
    damage = {"n": 7, "seed": 3, "commit": "f" * 40, "kinds": kinds}
    settings = {"seed": 0, "commit": None, "kinds": {
        "edge values": {"tried": 5, "ok": 1, "refused": 4, "failed": 0, "failures": []}
    }}  # fmt: skip
    text = page({"settings": settings, "damage": damage}, "an abacus")
    assert "| a | 7 | 4 | 2 | 1 |" in text and "- failed: x.json: cut: hung" in text
    assert "| edge values | 5 | 1 | 4 | 0 |" in text and "Hardware: an abacus." in text
    assert "damage.py --n 7 --seed 3" in text and "f" * 12 in text and "## Kills" not in text


def test_a_kill_has_no_sentence() -> None:
    kinds = {"train": {"tried": 1, "ok": 0, "failed": [{"death": "event 3", "why": "stuck"}]}}
    text = section("kills", {"n": 1, "seed": 0, "commit": "a", "kinds": kinds})
    assert "| train | 1 | 0 | - | 1 |" in text and "- failed: event 3: stuck" in text
