"""A run that is stopped and resumed ends bit-identical to one that was not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.core.errors import SettingsError
from usb_ext.methods.step.registry import RULES

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
    result = run(tmp_path, resume=True, load_path=str(tmp_path / "none" / "latest_model.pth"))
    assert result is not None and result.iterations == 8
    assert "starting afresh" in (tmp_path / "run" / "log.txt").read_text()


def test_truncated_checkpoint_is_refused_and_the_older_one_named(tmp_path: Path) -> None:
    run(tmp_path)
    latest = tmp_path / "run" / "latest_model.pth"
    whole = latest.read_bytes()
    latest.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SettingsError, match="previous_model.pth"):
        run(tmp_path, resume=True)
    assert latest.read_bytes() == whole[: len(whole) // 2]
    older = tmp_path / "run" / "previous_model.pth"
    result = run(tmp_path, resume=True, load_path=str(older))
    assert result is not None and result.iterations == 8


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


def test_run_folder_is_never_deleted_without_overwrite(tmp_path: Path) -> None:
    run(tmp_path)
    keep = tmp_path / "run" / "notes.txt"
    keep.write_text("mine")
    with pytest.raises(SettingsError, match="--resume"):
        run(tmp_path)
    assert keep.read_text() == "mine"
    run(tmp_path, overwrite=True)
    assert not keep.exists()
