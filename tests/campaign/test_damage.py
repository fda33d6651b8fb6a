"""The campaign of damaged files: all of it on demand, some cases of it in every run of the suite."""

from pathlib import Path

import numpy as np
import pytest
from campaign import damage
from campaign.damages import BY_ENDING, RAW, damaged


def test_some_cases_of_each_kind_end_well_or_with_a_sentence() -> None:
    """Ten commands on damaged files, two seconds: that no change makes a file's reader raise."""
    names = ("a finished run, opened", "finished runs, compared")
    report = damage.campaign(20, 3, names)
    assert not [f for kind in report["kinds"].values() for f in kind["failed"]], damage.table(
        report
    )
    assert sum(kind["told"] for kind in report["kinds"].values()) > 5


def test_a_silent_change_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign itself can fail: a reader that takes what it finds is noticed."""
    values = iter(range(100))
    kind = damage.Kind(("given/labels.json",), lambda _: next(values))
    monkeypatch.setitem(damage.KINDS, "any", kind)
    monkeypatch.setattr(damage, "prepare", lambda place, **_: _one_file(place / "given"))
    (found,) = damage.campaign(5, 0, ("any",))["kinds"].values()
    assert (found["tried"], len(found["failed"])) == (5, 5)
    assert "silent" in found["failed"][0]["why"]


def _one_file(folder: Path) -> None:
    folder.mkdir()
    (folder / "labels.json").write_text("[1, 2]")


@pytest.mark.parametrize("ending", [*BY_ENDING, ".png"])
def test_every_way_changes_the_file(tmp_path: Path, ending: str) -> None:
    for seed in range(3 * len(RAW)):
        path = tmp_path / f"{seed}{ending}"
        if ending == ".npz":
            np.savez(path, a=np.arange(6.0), b=np.array("x"))
        elif ending == ".pth":
            damage.torch.save({"a": damage.torch.ones(3)}, path)
        else:
            path.write_text('{"a": 1}\n{"a": 2}\n' if ending == ".jsonl" else '{"a": 1}\n')
        before = path.read_bytes()
        said = damaged(np.random.default_rng(seed), path, [path])
        same = path.is_file() and path.read_bytes() == before
        assert not same or "swapped" in said or "mixed" in said, said


@pytest.mark.campaign
def test_a_thousand_damaged_files() -> None:
    report = damage.campaign(1000, 0)
    assert not [f for kind in report["kinds"].values() for f in kind["failed"]], damage.table(
        report
    )
