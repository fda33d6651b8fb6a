"""The averaged teacher against its recurrence, batch-norm statistics included (EMAN, Cai et al., 2021)."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from usb_ext.methods.bases.fixmatch_eman import AveragedTeacherHook

MOMENTUM = 0.9


class Network(nn.Module):
    """A layer and batch norm, whose state a walk moves in every part."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        feat = self.norm(self.linear(x))
        return {"logits": feat[:, :2], "feat": feat}


def algorithm() -> Any:
    torch.manual_seed(0)
    model, ema_model = Network().double(), Network().double()
    return SimpleNamespace(model=model.train(), ema_model=ema_model)


def walk(model: nn.Module, seed: int) -> None:
    """Move every weight, and the statistics through a forward pass."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    model(torch.randn(8, 3, generator=generator, dtype=torch.float64) * 2 + 1)


def started(momentum: float = MOMENTUM) -> tuple[Any, AveragedTeacherHook]:
    run, hook = algorithm(), AveragedTeacherHook(momentum)
    hook.before_run(run)
    return run, hook


def test_weights_and_statistics_follow_the_recurrence_number_by_number() -> None:
    run, hook = started()
    wanted = {n: v.flatten().tolist() for n, v in run.model.state_dict().items()}
    for step in range(5):
        walk(run.model, step)
        hook.after_train_step(run)
        for name, value in run.model.state_dict().items():
            for i, number in enumerate(value.flatten().tolist()):
                averaged = MOMENTUM * wanted[name][i] + (1 - MOMENTUM) * number
                wanted[name][i] = number if name.endswith("num_batches_tracked") else averaged
    for name, value in hook.network.state_dict().items():
        assert value.flatten().tolist() == pytest.approx(wanted[name], rel=1e-12), name
    assert wanted["norm.num_batches_tracked"] == [5]
    assert hook.network.state_dict()["norm.running_var"].tolist() != [1.0] * 4


def test_the_teacher_sees_each_image_alone_and_learns_nothing_from_it() -> None:
    run, hook = started()
    walk(run.model, 1)
    hook.after_train_step(run)
    before = {n: v.clone() for n, v in hook.state_dict().items()}
    x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    together = hook.outputs(run, x)["logits"]
    apart = torch.cat([hook.outputs(run, row)["logits"] for row in x.split(1)])
    torch.testing.assert_close(together, apart, rtol=1e-12, atol=1e-12)
    assert not together.requires_grad
    assert all(torch.equal(v, before[n]) for n, v in hook.state_dict().items())
    state = {n: (v.double() - 0.0) for n, v in before.items()}
    z = x @ state["linear.weight"].T + state["linear.bias"]
    z = (z - state["norm.running_mean"]) / torch.sqrt(state["norm.running_var"] + 1e-5)
    wanted = (z * state["norm.weight"] + state["norm.bias"])[:, :2]
    torch.testing.assert_close(together, wanted, rtol=1e-10, atol=1e-10)


def test_it_starts_at_the_network_and_shares_nothing_with_it() -> None:
    run, hook = started()
    shared = {v.data_ptr() for m in (run.model, run.ema_model) for v in m.state_dict().values()}
    for name, value in run.model.state_dict().items():
        assert torch.equal(hook.network.state_dict()[name], value)
        assert hook.network.state_dict()[name].data_ptr() not in shared


def test_momentum_0_is_the_student_and_momentum_1_the_start() -> None:
    for momentum in (0.0, 1.0):
        run, hook = started(momentum)
        first = {n: v.clone() for n, v in run.model.state_dict().items()}
        walk(run.model, 3)
        hook.after_train_step(run)
        wanted = run.model.state_dict() if momentum == 0.0 else first
        for name, value in hook.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(value, wanted[name], rtol=1e-14, atol=0)


def test_its_state_comes_back() -> None:
    run, hook = started()
    walk(run.model, 4)
    hook.after_train_step(run)
    again = AveragedTeacherHook(MOMENTUM)
    again.before_run(algorithm())
    again.load_state_dict(hook.state_dict())
    assert all(torch.equal(v, hook.state_dict()[n]) for n, v in again.state_dict().items())
