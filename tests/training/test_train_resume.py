"""A run that is stopped and resumed ends bit-identical to one that was not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import TINY, assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.core.errors import DataMissing, RunFailed, SettingsError
from usb_ext.core.folders import holding
from usb_ext.methods.step.registry import RULES
from usb_ext.settings import load_settings
from usb_ext.training.train import train

CASES: list[tuple[str, dict[str, Any]]] = [
    ("layermatch", {"ac_reset_iter": 5}),
    ("layermatch", {"num_workers": 2}),
    ("layermatch", {"clip_grad": 1.0, "optim": "AdamW", "lr": 0.001, "num_warmup_iter": 2}),
    *[
        (name, {"p_cutoff": 0.2} if name not in ("freematch", "softmatch") else {})
        for name in RULES
    ],
    ("flexmatch", {"extensions": ["avg_clustering"], "p_cutoff": 0.2}),
]
SHORT_WARM_UP = {"num_wu_iter": 2, "rho_min": 0.5}


@pytest.mark.parametrize(("algorithm", "changed"), CASES, ids=str)
def test_resumed_run_is_bit_identical(
    tmp_path: Path, algorithm: str, changed: dict[str, Any]
) -> None:
    changed = {**changed, **(SHORT_WARM_UP if algorithm == "dash" else {})}
    whole = run(tmp_path / "whole", algorithm=algorithm, **changed)
    assert run(tmp_path / "cut", stop_after=3, algorithm=algorithm, **changed) is None
    assert checkpoint_of(tmp_path / "cut")["it"] == 3
    assert run(tmp_path / "cut", stop_after=6, algorithm=algorithm, resume=True, **changed) is None
    resumed = run(tmp_path / "cut", algorithm=algorithm, resume=True, **changed)
    assert whole is not None and resumed is not None
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")
    assert (resumed.top1_last, resumed.top1_best) == (whole.top1_last, whole.top1_best)
    assert resumed.status == "completed" and resumed.iterations == 8


def test_workers_and_logging_do_not_change_the_run(tmp_path: Path) -> None:
    run(tmp_path / "a", num_workers=0, num_log_iter=1)
    run(tmp_path / "b", num_workers=1, num_log_iter=3, num_save_iter=2)
    for part in ("model", "ema_model", "optimizer"):
        assert_same_state(checkpoint_of(tmp_path / "a")[part], checkpoint_of(tmp_path / "b")[part])


def test_a_finished_run_is_resumed_without_training(tmp_path: Path) -> None:
    first = run(tmp_path)
    before = checkpoint_of(tmp_path)
    again = run(tmp_path, resume=True)
    assert again is not None and first is not None
    assert again.top1_last == first.top1_last and again.iterations == 8
    assert_same_state(before, checkpoint_of(tmp_path))


def test_resume_without_a_checkpoint_starts_afresh(tmp_path: Path) -> None:
    lost = str(tmp_path / "none" / "latest_model.pth")
    with pytest.raises(DataMissing, match="no such file"):
        run(tmp_path, resume=True, load_path=lost)  # named by a person
    assert not (tmp_path / "run").exists()
    written = {
        **TINY,
        "save_dir": str(tmp_path),
        "resume": True,
        "load_path": lost,
    }  # as USB's files
    assert train(load_settings(written)).iterations == 8
    assert "starting afresh" in (tmp_path / "run" / "log.txt").read_text()


@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_checkpoint_is_passed_over_for_the_older_one_by_name(
    tmp_path: Path, cut: bool
) -> None:
    """A flipped bit too, which torch reads without a word; the end is the same, bit by bit."""
    run(tmp_path)
    whole = {p.name: checkpoint_of(tmp_path, p.name) for p in (tmp_path / "run").glob("*.pth")}
    latest = tmp_path / "run" / "latest_model.pth"
    content = bytearray(latest.read_bytes())
    content[len(content) // 2] ^= 1
    latest.write_bytes(content[: len(content) // 2] if cut else content)
    result = run(tmp_path, resume=True)
    assert result is not None and result.iterations == 8
    said = (tmp_path / "run" / "log.txt").read_text()
    assert f"{latest} is damaged" in said and "previous_model.pth" in said
    for name, state in whole.items():
        assert_same_state(state, checkpoint_of(tmp_path, name), name)


def test_an_older_checkpoint_that_is_named_is_taken(tmp_path: Path) -> None:
    run(tmp_path)
    older = tmp_path / "run" / "previous_model.pth"
    result = run(tmp_path, resume=True, load_path=str(older))
    assert result is not None and result.iterations == 8
    assert "continuing after step 4 of 8" in (tmp_path / "run" / "log.txt").read_text()


def test_a_run_that_has_not_ended_is_not_lengthened_and_the_reason_is_said(tmp_path: Path) -> None:
    run(tmp_path, stop_after=3)
    with pytest.raises(SettingsError, match=r"num_train_iter \(8 then, 16 now\).*at step 3"):
        run(tmp_path, resume=True, num_train_iter=16)


def test_a_second_run_in_the_folder_is_refused_while_the_first_one_trains(tmp_path: Path) -> None:
    order = {"resume": True, "overwrite": True}
    run(tmp_path, stop_after=3)
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    with (
        holding(tmp_path / "run", resume=True, overwrite=False),
        pytest.raises(RunFailed, match="is in use: a run"),
    ):
        run(tmp_path, **order)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    assert run(tmp_path, **order) is not None


def test_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    latest = tmp_path / "run" / "latest_model.pth"
    torch.save({"model": {}, "it": 3}, latest)
    with pytest.raises(SettingsError, match="was not written by usb_ext"):
        run(tmp_path, resume=True)


def test_checkpoint_of_other_settings_is_refused_with_the_difference(tmp_path: Path) -> None:
    run(tmp_path, stop_after=3)
    with pytest.raises(SettingsError, match=r"lr \(0\.03 then, 0\.01 now\)"):
        run(tmp_path, resume=True, lr=0.01)


def test_what_lies_beside_a_run_is_never_deleted(tmp_path: Path) -> None:
    run(tmp_path)
    keep = tmp_path / "run" / "notes.txt"
    keep.write_text("mine")
    with pytest.raises(SettingsError, match="--resume"):
        run(tmp_path)
    assert keep.read_text() == "mine"
    with pytest.raises(SettingsError, match=r"notes\.txt"):
        run(tmp_path, overwrite=True)
    assert keep.read_text() == "mine" and checkpoint_of(tmp_path)["it"] == 8
