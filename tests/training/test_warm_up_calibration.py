"""`ulb_loss_ratio: calibrate`: the number, that nothing else changes, and that it is found once."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.core.errors import Interrupted, RunFailed, SettingsError
from usb_ext.settings import config_sha256, load_settings
from usb_ext.training import train as stage
from usb_ext.training import warm_up as calibration

SMOOTH: dict[str, Any] = {
    "algorithm": "smoothfixmatch", "p_cutoff": 0.15, "smooth_exponent": "sq", "augment": "batched",
}  # fmt: skip
ASKED = {**SMOOTH, "ulb_loss_ratio": "calibrate", "calibration_iter": 4, "calibration_share": 0.5}


def found_in(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "run" / "calibration.json").read_text())
    return content


def levels(folder: Path, steps: slice) -> tuple[float, float]:
    """Means of a run's logged loss and weight."""
    rows = metrics_of(folder)[steps]
    keys = ("train/unsup_loss", "train/util_ratio")
    loss, weight = (sum(row[key] for row in rows) / len(rows) for key in keys)
    return loss, weight


def test_the_number_is_that_of_two_ordinary_runs(tmp_path: Path) -> None:
    """Eq. 25 from the metrics of FixMatch and Smooth FixMatch with weight 1, steps 3 and 4."""
    run(tmp_path / "asked", **ASKED)
    run(tmp_path / "hard", algorithm="fixmatch", p_cutoff=0.15, augment="batched")
    run(tmp_path / "smooth", **SMOOTH)
    hard, mask = levels(tmp_path / "hard", slice(2, 4))
    smooth, factor = levels(tmp_path / "smooth", slice(2, 4))
    found = found_in(tmp_path / "asked")
    assert 0 < factor < mask
    assert found["ulb_loss_ratio"] == pytest.approx(hard / smooth, rel=1e-3)
    assert found["hard_loss"] == pytest.approx(hard, rel=1e-5)
    assert found["smooth_loss"] == pytest.approx(smooth, rel=1e-5)
    assert found["mean_factor"] == pytest.approx(factor, rel=1e-5)
    assert found["mean_mask"] == pytest.approx(mask, rel=1e-5)
    assert (found["iterations"], found["averaged"]) == (4, 2)


def test_it_is_the_run_with_that_number(tmp_path: Path) -> None:
    asked = run(tmp_path / "asked", **ASKED)
    assert asked is not None and asked.calibration == found_in(tmp_path / "asked")
    ratio = asked.calibration["ulb_loss_ratio"]
    given = run(tmp_path / "given", **SMOOTH, ulb_loss_ratio=ratio)
    assert given is not None and given.calibration is None
    assert asked.config_sha256 == given.config_sha256
    assert_same_state(checkpoint_of(tmp_path / "asked"), checkpoint_of(tmp_path / "given"))
    assert metrics_of(tmp_path / "asked") == metrics_of(tmp_path / "given")
    resolved = load_settings(tmp_path / "asked" / "run" / "config.yaml").settings
    assert resolved.ulb_loss_ratio == ratio and config_sha256(resolved) == asked.config_sha256
    log = (tmp_path / "asked" / "run" / "log.txt").read_text()
    assert f"ulb_loss_ratio {ratio:g}" in log and "mean factor" in log


def test_a_resumed_run_does_not_calibrate_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole", **ASKED)
    assert run(tmp_path / "cut", stop_after=5, **ASKED) is None
    monkeypatch.setattr(calibration, "_calibrate", None)
    resumed = run(tmp_path / "cut", resume=True, **ASKED)
    assert whole is not None and resumed is not None
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
    assert resumed.calibration == whole.calibration
    number = {**SMOOTH, "ulb_loss_ratio": whole.calibration["ulb_loss_ratio"]}  # type: ignore[index]
    again = run(tmp_path / "cut", resume=True, **number)
    assert again is not None and again.calibration == whole.calibration


def test_it_is_deterministic_and_follows_the_seed(tmp_path: Path) -> None:
    numbers = [
        run(tmp_path / str(n), **ASKED, seed=seed).calibration["ulb_loss_ratio"]  # type: ignore[union-attr, index]
        for n, seed in enumerate((0, 0, 1))
    ]
    assert numbers[0] == numbers[1] != numbers[2]


def test_where_nothing_is_selected_it_says_so_and_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"calibration_iter is 4.*lower p_cutoff"):
        run(tmp_path, **{**ASKED, "p_cutoff": 0.9999})
    assert not (tmp_path / "run").exists()


def test_an_occupied_folder_is_refused_before_the_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, algorithm="fixmatch")
    monkeypatch.setattr(calibration, "_calibrate", None)
    with pytest.raises(SettingsError, match="exists already"):
        run(tmp_path, **ASKED)


def test_stopping_and_losses_that_are_not_finite(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="in the calibration"):
        run(tmp_path, **ASKED, lr=1e30)
    with pytest.raises(Interrupted, match="in the calibration, after step 2"):
        stop_at(2, tmp_path)
    assert not (tmp_path / "run").exists()


def stop_at(step: int, folder: Path) -> None:
    """A run that is asked to stop after a step of its first trial."""
    from support.run import TINY

    from usb_ext.engine.parts import Stop

    stop, begun = Stop(), []

    def count(self: Any) -> None:
        begun.append(self.it)
        stop.requested = 15 if len(begun) == step else 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("usb_ext.engine.loop.Loop._begin_epoch", count)
        stage.train(load_settings({**TINY, "save_dir": str(folder)}, ASKED), stop)


@pytest.mark.parametrize(
    "changed",
    [
        {"algorithm": "dash", "extensions": ["smooth_weight"], "num_wu_iter": 2, "p_cutoff": None},
        {"algorithm": "smoothpseudolabel"},
        {"base": "freematch", "lambda_phi": 0.01},
    ],
    ids=str,
)
def test_other_bases_calibrate_too(tmp_path: Path, changed: dict[str, Any]) -> None:
    result = run(tmp_path, **{**ASKED, "smooth_exponent": "linear", **changed})
    assert result is not None and result.calibration is not None
    assert result.calibration["ulb_loss_ratio"] >= 1.0
    assert result.calibration["mean_factor"] < result.calibration["mean_mask"]
