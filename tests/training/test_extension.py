"""A run that has ended is made longer: bit-identical wherever it stops, by the schedule of the new length."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from support.run import TINY, assert_same_state, checkpoint_of, metrics_of, run

from usb_ext import load_run
from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings

LR = {"lr": 0.02, "epoch": 1}


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight steps, then four more."""
    folder = tmp_path_factory.mktemp("longer")
    run(folder, **LR)
    run(folder, resume=True, num_train_iter=12, **LR)
    return folder


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run" / "result.json").read_text())
    return found


@pytest.mark.parametrize("stops", [(9,), (10, 11)], ids=str)
def test_an_extension_does_not_hang_on_where_it_stopped(
    tmp_path: Path, longer: Path, stops: tuple[int, ...]
) -> None:
    run(tmp_path, **LR)
    for stop in stops:
        run(tmp_path, stop_after=stop, resume=True, num_train_iter=12, **LR)
        assert record(tmp_path)["status"] == "interrupted"
    run(tmp_path, resume=True, num_train_iter=12, **LR)
    assert_same_state(checkpoint_of(longer), checkpoint_of(tmp_path))
    assert metrics_of(longer) == metrics_of(tmp_path)
    assert record(tmp_path)["config_sha256"] == record(longer)["config_sha256"]


def test_the_schedule_is_that_of_each_length_and_recorded(longer: Path, tmp_path: Path) -> None:
    """USB's cosine: lr cos(7 pi k / 16 K) after k of K steps; the row of step k says it."""
    rates = {row["it"]: row["lr"] for row in metrics_of(longer)}
    for k, rate in rates.items():
        whole = 8 if k <= 8 else 12
        assert rate == pytest.approx(0.02 * math.cos(7 * math.pi * k / 16 / whole), rel=1e-12), k
    assert sorted(rates) == list(range(1, 13))
    assert record(longer)["extended_at"] == [8] and record(longer)["iterations"] == 12
    assert load_settings(longer / "run" / "config.yaml").settings.extended_at == (8,)
    said = (longer / "run" / "log.txt").read_text()
    there = 0.02 * math.cos(7 * math.pi * 8 / 16 / 12)
    assert "extended from 8 to 12 steps: the learning rate goes on" in said
    assert f"at {there:.4g} (it ended at {0.02 * math.cos(7 * math.pi / 16):.4g})" in said
    opened = load_run(longer / "run", device="cpu")
    assert opened.result is not None and opened.result.iterations == 12
    other = run(tmp_path, num_train_iter=12, **LR)
    assert other is not None and other.config_sha256 != record(longer)["config_sha256"]


def test_an_extended_run_is_extended_again_and_not_cut(tmp_path: Path) -> None:
    for length in (4, 6, 8):
        run(tmp_path, resume=length > 4, **{**LR, "num_train_iter": length})
    assert record(tmp_path)["extended_at"] == [4, 6]
    with pytest.raises(SettingsError, match="does not get shorter"):
        run(tmp_path, resume=True, **{**LR, "num_train_iter": 6})


def test_settings_of_an_extended_run_make_a_run_that_is_none(longer: Path, tmp_path: Path) -> None:
    begun = run(tmp_path, extended_at=(8,), num_train_iter=4, epoch=1)
    assert begun is not None and begun.extended_at == []
    assert load_settings(tmp_path / "run" / "config.yaml").settings.extended_at is None


def test_other_settings_still_refuse(tmp_path: Path) -> None:
    run(tmp_path, **{**LR, "num_train_iter": 4})
    with pytest.raises(SettingsError, match="ema_m"):
        run(tmp_path, resume=True, **{**LR, "num_train_iter": 8, "ema_m": 0.5})
    assert TINY["ema_m"] != 0.5 and record(tmp_path)["status"] == "completed"
