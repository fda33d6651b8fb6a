"""`ulb_loss_ratio: calibrate`: the number, that nothing else changes, and that it is found once."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.core.errors import Interrupted, RunFailed, SettingsError
from usb_ext.core.result import RunResult
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


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """The folder and the result of a run that found its number itself."""
    folder = tmp_path_factory.mktemp("asked")
    result = run(folder, **ASKED)
    assert result is not None
    return folder, result


def levels(folder: Path, steps: slice) -> tuple[float, float]:
    """Means of a run's logged loss and weight."""
    rows = metrics_of(folder)[steps]
    keys = ("train/unsup_loss", "train/util_ratio")
    loss, weight = (sum(row[key] for row in rows) / len(rows) for key in keys)
    return loss, weight


def test_the_number_is_that_of_two_ordinary_runs(
    tmp_path: Path, asked: tuple[Path, RunResult]
) -> None:
    """Eq. 25 from the metrics of FixMatch and Smooth FixMatch with weight 1, steps 3 and 4."""
    run(tmp_path / "hard", algorithm="fixmatch", p_cutoff=0.15, augment="batched")
    run(tmp_path / "smooth", **SMOOTH)
    hard, mask = levels(tmp_path / "hard", slice(2, 4))
    smooth, factor = levels(tmp_path / "smooth", slice(2, 4))
    found = found_in(asked[0])
    assert 0 < factor < mask
    assert found["ulb_loss_ratio"] == pytest.approx(hard / smooth, rel=1e-3)
    assert found["hard_loss"] == pytest.approx(hard, rel=1e-5)
    assert found["smooth_loss"] == pytest.approx(smooth, rel=1e-5)
    assert found["mean_factor"] == pytest.approx(factor, rel=1e-5)
    assert found["mean_mask"] == pytest.approx(mask, rel=1e-5)
    assert (found["iterations"], found["averaged"]) == (4, 2)


def test_it_is_the_run_with_that_number(tmp_path: Path, asked: tuple[Path, RunResult]) -> None:
    folder, result = asked
    assert result.calibration is not None and result.calibration == found_in(folder)
    ratio = result.calibration["ulb_loss_ratio"]
    given = run(tmp_path, **SMOOTH, ulb_loss_ratio=ratio)
    assert given is not None and given.calibration is None
    assert result.config_sha256 == given.config_sha256
    assert_same_state(checkpoint_of(folder), checkpoint_of(tmp_path))
    assert metrics_of(folder) == metrics_of(tmp_path)
    resolved = load_settings(folder / "run" / "config.yaml").settings
    assert resolved.ulb_loss_ratio == ratio and config_sha256(resolved) == result.config_sha256
    log = (folder / "run" / "log.txt").read_text()
    assert f"ulb_loss_ratio {ratio:g}" in log and "mean factor" in log


def test_a_resumed_run_does_not_calibrate_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[Path, RunResult]
) -> None:
    folder, whole = asked
    assert run(tmp_path, stop_after=5, **ASKED) is None
    monkeypatch.setattr(calibration, "_calibrate", None)
    resumed = run(tmp_path, resume=True, **ASKED)
    assert resumed is not None
    assert_same_state(checkpoint_of(folder), checkpoint_of(tmp_path))
    assert resumed.calibration == whole.calibration
    number = {**SMOOTH, "ulb_loss_ratio": whole.calibration["ulb_loss_ratio"]}  # type: ignore[index]
    again = run(tmp_path, resume=True, **number)
    assert again is not None and again.calibration == whole.calibration


def test_it_is_deterministic_and_follows_the_seed(
    tmp_path: Path, asked: tuple[Path, RunResult]
) -> None:
    again, other = (
        run(tmp_path / str(seed), **ASKED, seed=seed).calibration["ulb_loss_ratio"]  # type: ignore[union-attr, index]
        for seed in (0, 1)
    )
    assert asked[1].calibration["ulb_loss_ratio"] == again != other  # type: ignore[index]


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
