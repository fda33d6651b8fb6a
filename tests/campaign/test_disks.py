"""The campaign of disks and places: all of it on demand, some cases of it in every run of the suite."""

import errno
from pathlib import Path

import pytest
from campaign import disks


def test_some_cases_end_well_or_with_a_sentence() -> None:
    """Small commands in forks, three seconds: that no place makes a command raise."""
    kinds = ("a file or link where a folder is needed", "an odd name")
    report = disks.campaign(4, 1, kinds, ("train", "compare --from"))
    assert not [f for kind in report["kinds"].values() for f in kind["failed"]], disks.table(report)


def test_a_full_disk_takes_nothing_more_but_lets_go(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x")
    with disks.full(tmp_path, 1) as disk:
        (tmp_path / "first").mkdir()
        with pytest.raises(OSError) as caught:
            (tmp_path / "second").write_text("y")
        (tmp_path / "old").unlink()
    assert caught.value.errno == errno.ENOSPC
    assert [p.name for p in tmp_path.iterdir()] == ["first"] and len(disk.events) == 2


@pytest.mark.campaign
def test_two_hundred_places() -> None:
    report = disks.campaign(200, 0)
    assert not [f for kind in report["kinds"].values() for f in kind["failed"]], disks.table(report)
