"""Weights, averages and the optimizer's state are looked at before they are written, not the loss alone."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import assert_same_state, checkpoint_of, run
from torch import nn

from usb_ext.core.errors import RunFailed
from usb_ext.core.files import RunFolder
from usb_ext.engine.checkpoint import check_finite
from usb_ext.engine.hooks.update import ParameterUpdateHook

BAD = [math.nan, math.inf, -math.inf]


def parts() -> tuple[dict[str, nn.Module], torch.optim.Optimizer]:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    model.register_buffer("mask", torch.tensor([0.0, -math.inf]))
    model.register_buffer("empty", torch.zeros(0))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    averages = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).half()
    return {"model": model, "averages": averages}, optimizer


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("place", ["model.0.weight", "averages.1.bias", "the optimizer's state"])
def test_what_is_not_finite_is_named(tmp_path: Path, place: str, value: float) -> None:
    networks, optimizer = parts()
    check_finite(networks, optimizer, RunFolder(tmp_path), 5)
    tensors = {f"{n}.{k}": v for n, net in networks.items() for k, v in net.named_parameters()}
    first = next(iter(optimizer.state.values()))["exp_avg_sq"]
    with torch.no_grad():
        tensors.get(place, first).view(-1)[-1] = value
    with pytest.raises(RunFailed, match=f"after step 5 the weights are not finite \\({place}"):
        check_finite(networks, optimizer, RunFolder(tmp_path), 5)


def test_statistics_that_are_nan_are_named_and_a_mask_of_infinities_is_not(tmp_path: Path) -> None:
    networks, optimizer = parts()
    networks["model"].get_buffer("1.running_var")[0] = math.nan
    with pytest.raises(RunFailed, match=r"model\.1\.running_var"):
        check_finite(networks, optimizer, RunFolder(tmp_path), 1)


def poisoned(monkeypatch: pytest.MonkeyPatch, step: int, value: float) -> None:
    """One gradient that is not finite, after a loss that is."""

    def after_train_step(self: ParameterUpdateHook, algorithm: Any) -> None:
        algorithm.out_dict["loss"].backward()
        if algorithm.it == step:
            gradient = next(algorithm.model.parameters()).grad
            gradient[(0,) * gradient.ndim] = value
        algorithm.optimizer.step()
        algorithm.model.zero_grad()

    monkeypatch.setattr(ParameterUpdateHook, "after_train_step", after_train_step)


@pytest.mark.parametrize("value", BAD)
def test_a_bad_gradient_at_a_checkpoint_step_replaces_no_good_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    poisoned(monkeypatch, 3, value)
    files = ("latest_model.pth", "model_best.pth")
    steps = {"num_train_iter": 4, "num_eval_iter": 2, "epoch": 1, "algorithm": "fixmatch"}
    run(tmp_path / "good", stop_after=2, **steps)
    with pytest.raises(RunFailed, match="after step 4 the weights") as caught:
        run(tmp_path, **steps)
    kept = str(tmp_path / "run" / "latest_model.pth")
    assert str(caught.value).endswith(f"the last good checkpoint is kept: {kept}")
    for name in files:
        state = checkpoint_of(tmp_path, name)
        assert state["it"] == 2
        assert_same_state(checkpoint_of(tmp_path / "good", name)["model"], state["model"])
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_step_too_large_fails_and_claims_no_checkpoint(tmp_path: Path) -> None:
    """It ended as `completed`, with weights that are infinite."""
    with pytest.raises(RunFailed, match="there is no checkpoint yet") as caught:
        run(tmp_path, num_train_iter=1, num_eval_iter=1, epoch=1, lr=1e45)
    assert caught.value.exit_code == 1 and "kept" not in str(caught.value)
    left = {p.name for p in (tmp_path / "run").iterdir()}
    assert not left & {"latest_model.pth", "model_best.pth", "result.json"}
    result = run(tmp_path, num_train_iter=1, num_eval_iter=1, epoch=1)
    assert result is not None and result.status == "completed"
