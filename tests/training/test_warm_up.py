"""Dash's warm-up against USB's own, on the same batches."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from support.built import built
from support.run import TINY, assert_same_state, checkpoint_of, run

from usb_ext.core.errors import Interrupted
from usb_ext.engine.parts import Stop
from usb_ext.settings import load_settings
from usb_ext.training.train import train
from usb_ext.training.warm_up import _steps, warm_up
from usb_ext.upstream.device import cuda_means
from usb_ext.upstream.quiet import printed_to_log

DASH: dict[str, Any] = {"algorithm": "dash", "rho_min": 0.1, "epoch": 1, "num_train_iter": 8}


@pytest.mark.parametrize("step", ["usb", "ours"])
@pytest.mark.parametrize("count", [0, 3, 20])
def test_equals_usbs_warm_up(tmp_path: Path, step: str, count: int) -> None:
    """USB's `Dash.warmup`, after which its training loop starts the averages anew."""
    options = {**DASH, "num_wu_iter": count, "channels_last": False}
    theirs = built(tmp_path / "usb", **options, step="usb")
    ours = built(tmp_path / "ours", **options, step=step)
    with cuda_means(torch.device("cpu")), printed_to_log():
        theirs.epoch = 0
        _warmup_of_usb(theirs)
        warm_up(ours)
    first = theirs.model.state_dict()
    assert_same_state(first, ours.model.state_dict())
    assert_same_state(first, ours.ema_model.state_dict())
    assert ours.rho_init == pytest.approx(theirs.rho_init, rel=1e-6)
    assert (ours.it, ours.warmup_stage, ours.rho) == (0, False, ours.rho_init)


def _warmup_of_usb(algorithm: Any) -> None:
    """USB evaluates through its own averages, which the engine's evaluation does not look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(algorithm, "evaluate", lambda: _evaluate_as_usb(algorithm))
        algorithm.warmup()


def _evaluate_as_usb(algorithm: Any) -> dict[str, float]:
    algorithm.ema.apply_shadow()
    network, total = algorithm.model.eval(), 0.0
    with torch.no_grad():
        for batch in algorithm.loader_dict["eval"]:
            logits = network(batch["x_lb"])["logits"]
            total += torch.nn.functional.cross_entropy(logits, batch["y_lb"]).item()
    algorithm.ema.restore()
    return {"eval/loss": total}


@pytest.mark.parametrize(
    ("asked", "per_epoch", "steps"),
    [(0, 4, 1), (2, 4, 3), (4, 4, 4), (6, 4, 4), (8, 4, 8), (9, 4, 8)],
)
def test_number_of_steps_is_usbs(asked: int, per_epoch: int, steps: int) -> None:
    """Whole epochs, at least one, until `it` exceeds `num_wu_iter`."""

    class Counts:
        num_wu_iter, num_iter_per_epoch = asked, per_epoch

    assert _steps(Counts()) == steps


def test_stopped_in_the_warm_up_it_starts_afresh(tmp_path: Path) -> None:
    settings = {**TINY, **DASH, "num_wu_iter": 3, "save_dir": str(tmp_path / "cut")}
    stop = Stop()
    stop.requested = signal.SIGTERM
    with pytest.raises(Interrupted, match="warm-up, after its step 1"):
        train(load_settings(settings), stop)
    assert not (tmp_path / "cut" / "run" / "result.json").exists()
    result = train(load_settings(settings, {"resume": True}))
    run(tmp_path / "whole", **{**DASH, "num_wu_iter": 3})
    assert result.iterations == 8
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
