"""A run that is killed at a file event: the same command starts or resumes, and ends with the same bits.

Here a few events; all of them, and real `kill -9`, in `tests/campaign/kills.py`.
"""

from pathlib import Path
from typing import Any

import pytest
from support.kills import Killed, Point, dying
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.core.errors import SettingsError
from usb_ext.engine import checkpoint
from usb_ext.engine.seal import is_whole

SHORT: dict[str, Any] = {
    "algorithm": "fixmatch", "num_train_iter": 2, "num_eval_iter": 1, "epoch": 1, "resume": True,
}  # fmt: skip
EVENTS = (
    "replace ..usb_ext.json.part", "opened .config.yaml.part", "opened metrics.jsonl",
    "half saved .latest_model.pth.part", "replace .latest_model.pth.part", "link latest_model.pth",
    "replace .previous_model.pth.part", "replace .result.json.part",
)  # fmt: skip
"""Where a run dies: at the first and at the last such event."""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The file events of a run."""
    folder = tmp_path_factory.mktemp("counted")
    with dying(folder, None) as counted:
        run(folder, **SHORT)
    return counted.events


def killed(folder: Path, at: Point, **changed: Any) -> str | None:
    """What the run died of, or None where it got to its end before."""
    try:
        with dying(folder, at):
            run(folder, **{**SHORT, **changed})
    except Killed as event:
        return str(event)
    return None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder, **SHORT)
    return folder


@pytest.mark.parametrize("event", EVENTS)
def test_a_run_killed_at_a_file_event_ends_the_same(
    tmp_path: Path, whole: Path, events: list[str], event: str
) -> None:
    for passed in sorted({0, events.count(event) - 1}):
        folder = tmp_path / str(passed)
        assert killed(folder, (event, passed)) == event
        assert not (folder / "run" / "result.json").exists()
        result = run(folder, **SHORT)
        assert result is not None and result.status == "completed"
        for name in ("latest_model.pth", "model_best.pth", "previous_model.pth"):
            assert_same_state(checkpoint_of(whole, name), checkpoint_of(folder, name), name)
        assert metrics_of(folder) == metrics_of(whole)
        assert not [p.name for p in (folder / "run").iterdir() if p.name.endswith(".part")]


@pytest.mark.parametrize("at", [6, 30, 44])
def test_what_overwrite_replaces_is_there_until_the_first_checkpoint(
    tmp_path: Path, whole: Path, at: int
) -> None:
    run(tmp_path, **SHORT)
    before = checkpoint_of(tmp_path)
    order = {"resume": False, "overwrite": True, "seed": 5}
    event = killed(tmp_path, at, **order)
    assert event is not None
    kept = [*tmp_path.glob("run*/latest_model.pth")]
    seeds = {
        checkpoint.read(path)["usb_ext"]["settings"]["seed"] for path in kept if is_whole(path)
    }
    assert seeds, event
    if 0 in seeds:
        place = next(p for p in kept if checkpoint.read(p)["usb_ext"]["settings"]["seed"] == 0)
        assert_same_state(before, checkpoint.read(place), event)
    run(tmp_path, **{**SHORT, **order})
    assert [p.name for p in tmp_path.iterdir()] == ["run"], event
    assert checkpoint_of(tmp_path)["usb_ext"]["settings"]["seed"] == 5


def test_a_run_that_died_before_its_first_checkpoint_starts_without_a_flag(tmp_path: Path) -> None:
    """`validation.json` and `model_best.pth` came before the first checkpoint, and barred the folder."""
    changed = {"resume": False, "num_val": 10}
    assert killed(tmp_path, ("half saved .latest_model.pth.part", 0), **changed) is not None
    assert (tmp_path / "run" / "validation.json").exists()
    result = run(tmp_path, **{**SHORT, **changed})
    assert result is not None and result.status == "completed"
    with pytest.raises(SettingsError, match="exists already"):
        run(tmp_path, **{**SHORT, **changed})


def test_the_record_comes_after_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record means that all is there: `as3l` and `compare` look at nothing else."""
    with dying(tmp_path, None) as counted:
        run(tmp_path, pictures=True, **SHORT)
    names = [event.split()[1] for event in counted.events if event.startswith("replace")]
    assert names[-3:] == [".curves.png.part", ".confusion.png.part", ".result.json.part"]


@pytest.mark.parametrize("cut", [1, 10_000])
def test_metrics_with_a_cut_line_are_no_obstacle(tmp_path: Path, cut: int) -> None:
    """A file cut short by a crash: the rows that are whole stay, and the run gets to its end."""
    run(tmp_path, stop_after=3, **{**SHORT, "num_train_iter": 4})
    path = tmp_path / "run" / "metrics.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    result = run(tmp_path, pictures=True, **{**SHORT, "num_train_iter": 4})
    assert result is not None and result.status == "completed"
    whole_rows = content[: max(0, len(content) - cut)].count(b"\n")
    assert [row["it"] for row in metrics_of(tmp_path)] == [*range(1, whole_rows + 1), 4]
