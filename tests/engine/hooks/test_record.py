"""`metrics.jsonl`: what is written when, and that a resumed run cuts it back."""

import json
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from usb_ext.engine.hooks.record import RecordHook, readable


class Display:
    """A progress display that notes what it is told."""

    def __init__(self) -> None:
        self.images_per_step = 0
        self.steps: list[tuple[int, bool]] = []
        self.stopped = 0

    def step(self, algorithm: Any, due: bool) -> None:
        self.steps.append((algorithm.it, due))

    def stop(self) -> None:
        self.stopped += 1


class Board:
    """A TensorBoard log that notes what it is told."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []

    def update(self, row: dict[str, float], it: int) -> None:
        self.rows.append((it, row))


def algorithm(every: int = 2) -> Any:
    return SimpleNamespace(
        it=0,
        num_log_iter=every,
        log_dict={},
        optimizer=SimpleNamespace(param_groups=[{"lr": 0.5}, {"lr": 0.25}]),
        tb_log=Board(),
    )


def hook_on(path: Path) -> RecordHook:
    return RecordHook(path, Display(), images_per_step=7)  # type: ignore[arg-type]


def drive(hook: RecordHook, run: Any, steps: range, **more: Any) -> None:
    for run.it in steps:
        run.log_dict = {"train/total_loss": torch.tensor(run.it + 0.5), **more}
        hook.after_train_step(run)


def rows(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_readable_keeps_order_and_values() -> None:
    log = {
        "a": torch.tensor(0.1, dtype=torch.float64, requires_grad=True),
        "b": 2,
        "c": torch.tensor(3),
        "d": 0.1,
        "e": torch.tensor(True),
        "f": torch.tensor(0.5, dtype=torch.bfloat16),
    }
    got = readable(log)
    assert list(got) == list(log)
    assert all(type(value) is float for value in got.values())
    assert got == pytest.approx({"a": 0.1, "b": 2, "c": 3, "d": 0.1, "e": 1, "f": 0.5})


def test_readable_of_plain_values_and_of_nothing() -> None:
    assert readable({"a": 1}) == {"a": 1.0}
    assert readable({}) == {}


def test_a_row_every_so_many_steps_counted_from_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    hook, run = hook_on(path), algorithm()
    hook.before_run(run)
    drive(hook, run, range(5))
    assert [row["it"] for row in rows(path)] == [2, 4]
    assert [row["train/total_loss"] for row in rows(path)] == [1.5, 3.5]
    assert list(rows(path)[0]) == ["it", "time", "train/total_loss", "lr"]
    assert rows(path)[0]["lr"] == 0.25
    assert 0 <= rows(path)[0]["time"] <= rows(path)[1]["time"]
    assert [it for it, _ in run.tb_log.rows] == [1, 3]
    assert hook.progress.steps == [(0, False), (1, True), (2, False), (3, True), (4, False)]
    assert hook.progress.images_per_step == 7


def test_the_log_of_other_steps_stays_on_the_device(tmp_path: Path) -> None:
    hook, run = hook_on(tmp_path / "metrics.jsonl"), algorithm()
    drive(hook, run, range(1))
    assert isinstance(run.log_dict["train/total_loss"], torch.Tensor)
    assert "lr" not in run.log_dict


def test_a_scored_step_is_written_whenever_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    hook, run = hook_on(path), algorithm(every=1000)
    run.tb_log = None
    drive(hook, run, range(2, 3), **{"eval/top-1-acc": 0.75})
    assert [(row["it"], row["eval/top-1-acc"]) for row in rows(path)] == [(3, 0.75)]


def test_a_resumed_run_cuts_off_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    hook, run = hook_on(path), algorithm()
    drive(hook, run, range(4))
    state = hook.state_dict()
    kept = path.read_bytes()
    drive(hook, run, range(4, 8))  # lost with the process
    assert len(path.read_bytes()) > len(kept)

    second = hook_on(path)
    second.load_state_dict(state)
    assert path.read_bytes() == kept
    drive(second, run, range(4, 6))
    assert [row["it"] for row in rows(path)] == [2, 4, 6]


def test_a_missing_or_shorter_file_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    hook = hook_on(path)
    assert hook.state_dict()["bytes"] == 0
    hook.load_state_dict({"bytes": 100, "seconds": 1.0})
    assert not path.exists()
    path.write_bytes(b"{}\n")
    hook.load_state_dict({"bytes": 100, "seconds": 1.0})
    assert path.read_bytes() == b"{}\n"


def test_seconds_run_on_over_sittings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 100.0}
    monkeypatch.setattr("usb_ext.engine.hooks.record.time.perf_counter", lambda: clock["now"])
    first = hook_on(tmp_path / "metrics.jsonl")
    clock["now"] = 110.0
    first.before_run(algorithm())
    clock["now"] = 113.0
    assert first.state_dict()["seconds"] == 3.0
    clock["now"] = 500.0  # another process
    second = hook_on(tmp_path / "metrics.jsonl")
    second.before_run(algorithm())
    second.load_state_dict(first.state_dict() | {"seconds": 3.0})
    clock["now"] = 502.0
    assert second.seconds == 5.0


def test_the_display_is_closed_at_the_end_and_when_stopped(tmp_path: Path) -> None:
    hook = hook_on(tmp_path / "metrics.jsonl")
    hook.after_run(algorithm())
    hook.on_stop(algorithm())
    assert hook.progress.stopped == 2


def test_a_run_that_starts_over_keeps_its_rows_beside(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    hook, run = hook_on(path), algorithm()
    hook.restart(run, "first")  # nothing written yet
    assert list(tmp_path.iterdir()) == []
    drive(hook, run, range(4))
    kept = path.read_bytes()
    hook.restart(run, "first")
    assert hook.progress.stopped == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.jsonl", "metrics_first.jsonl"]
    assert (tmp_path / "metrics_first.jsonl").read_bytes() == kept
    drive(hook, run, range(2))
    assert [row["it"] for row in rows(path)] == [2]


def test_rows_that_were_changed_or_lost_are_said_when_a_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.jsonl"
    hook = hook_on(path)
    drive(hook, algorithm(), range(4))
    state, whole = hook.state_dict(), path.read_text()
    hook_on(path).load_state_dict(state)
    assert caplog.text == ""
    path.write_text(whole.replace('"it": 2', '"it": 3'))
    hook_on(path).load_state_dict(state)
    assert "is not what the run wrote before the checkpoint" in caplog.text
    path.unlink()
    hook_on(path).load_state_dict(state)
    assert "has not the rows from before the checkpoint" in caplog.text


def test_the_crc_is_that_of_the_file_over_sittings_and_restarts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    hook, run = hook_on(path), algorithm()
    drive(hook, run, range(4))
    second = hook_on(path)
    second.load_state_dict(hook.state_dict())
    drive(second, run, range(4, 8))
    assert second.crc == zlib.crc32(path.read_bytes())
    second.restart(run, "gen_0")
    assert second.state_dict()["crc"] == 0
    drive(second, run, range(4))
    assert second.crc == zlib.crc32(path.read_bytes())
