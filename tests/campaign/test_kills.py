"""The campaign of kills: all of it on demand, one case of it in every run of the suite."""

from pathlib import Path

import pytest
from campaign import kills


def failures(report: dict[str, object]) -> str:
    return kills.table(report)


def test_a_case_is_counted_and_ok() -> None:
    name = "train, at a file event"
    report = kills.campaign(1, 3, [name])
    assert report["kinds"] == {name: {"tried": 1, "ok": 1, "failed": []}}, failures(report)


def test_a_difference_and_a_left_over_are_failures(tmp_path: Path) -> None:
    """The campaign itself can fail: what it compares is not always equal."""
    for number, text in enumerate(('{"it": 1, "time": 2}', '{"it": 1, "time": 3}', '{"it": 2}')):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "metrics.jsonl").write_text(text + "\n")
    first, same, other = (kills.outcome(tmp_path / str(n)) for n in range(3))
    assert first == same != other
    (tmp_path / "1" / ".x.part").touch()
    assert set(kills.outcome(tmp_path / "1")) - set(first) == {".x.part"}


@pytest.mark.campaign
def test_four_hundred_kills() -> None:
    report = kills.campaign(400, 0)
    assert not any(kind["failed"] for kind in report["kinds"].values()), failures(report)
