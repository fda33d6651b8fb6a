"""Weights & Biases and Aim themselves, on tiny runs: they work, or are refused in one line before work."""

from pathlib import Path
from typing import Any

import pytest
from support.run import checkpoint_of, run

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.upstream.loggers import check_loggers

FEW: dict[str, Any] = {"num_train_iter": 2, "num_eval_iter": 2, "epoch": 1}


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a login, and with a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_wandb_logs_without_being_logged_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb.teardown()  # it remembers the mode of an earlier run of this process
    found = run(tmp_path, use_wandb=True, save_name=None, **FEW)
    assert found is not None and found.status == "completed"
    logged = list(tmp_path.glob("wandb/*/wandb/offline-run-*/*.wandb"))
    assert len(logged) == (mode == "offline")


def test_wandb_without_a_login_is_refused_with_what_to_do() -> None:
    pytest.importorskip("wandb")
    with pytest.raises(SettingsError, match="wandb login.*WANDB_MODE=offline"):
        check_loggers(load_settings({"use_wandb": True}).settings)


def test_aim_logs_and_a_resumed_run_goes_on_in_the_same(tmp_path: Path) -> None:
    pytest.importorskip("aim")
    steps = {"num_train_iter": 4, "num_eval_iter": 2, "epoch": 1}
    assert run(tmp_path, stop_after=2, use_aim=True, **steps) is None
    kept = checkpoint_of(tmp_path)["usb_ext"]["hooks"]["AimHook"]["hash"]
    found = run(tmp_path, use_aim=True, resume=True, **steps)
    assert found is not None and found.status == "completed"
    assert checkpoint_of(tmp_path)["usb_ext"]["hooks"]["AimHook"]["hash"] == kept
    places = {path.name for path in (tmp_path / "aim" / "run" / ".aim" / "meta").rglob("*")}
    assert kept in places, "aim holds the run under this name"
