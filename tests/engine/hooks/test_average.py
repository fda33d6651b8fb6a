"""SharedEMA and its hook against the formula and against what USB's class does."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from usb_ext.engine.hooks.average import ModelEMAHook, SharedEMA, evaluated_state
from usb_ext.upstream.usb import EMA


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()


def walk(model: nn.Module, seed: int) -> None:
    """Move every weight, and the batch-norm statistics through a forward pass."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    model(torch.randn(8, 3, dtype=torch.float64))


def copied(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_averages_follow_the_formula_and_buffers_are_copied(decay: float) -> None:
    model, ema_model = network(0), network(1)
    ema = SharedEMA(model, ema_model, decay)
    ema.register()
    wanted = copied(model)
    assert_same(copied(ema_model), wanted)
    names = {name for name, _ in model.named_parameters()}
    for step in range(5):
        walk(model, 10 + step)
        ema.update()
        for name, value in model.state_dict().items():
            old = wanted[name] if name in names else 0
            keep = decay if name in names else 0
            wanted[name] = value if keep == 0 else keep * old + (1 - keep) * value
        assert_same(copied(ema_model), {k: v.clone() for k, v in wanted.items()})
    assert ema_model[1].num_batches_tracked.item() == 5


def test_usbs_class_gives_the_same_averages() -> None:
    model, other = network(0), network(0)
    ours, theirs = SharedEMA(model, network(1), 0.6), EMA(other, 0.6)
    ours.register()
    theirs.register()
    for step in range(4):
        walk(model, step)
        walk(other, step)
        ours.update()
        theirs.update()
    assert ours.shadow.keys() == theirs.shadow.keys()
    for name, average in theirs.shadow.items():
        torch.testing.assert_close(ours.shadow[name], average, rtol=1e-12, atol=1e-14)


def test_the_averages_are_applied_and_taken_away_again() -> None:
    model, ema_model = network(0), network(1)
    ema = SharedEMA(model, ema_model, 0.5)
    own, averages = copied(model), copied(ema_model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ema.apply_shadow()
    for name, value in model.named_parameters():
        assert torch.equal(value, averages[name]), name
    ema.restore()
    assert_same(copied(model), own)
    assert ema.backup == {}

    model(torch.ones(4, 3).double()).sum().backward()  # the optimizer still holds the weights
    optimizer.step()
    assert not torch.equal(model[2].bias, own["2.bias"])
    assert_same(dict(ema_model.named_parameters()), {n: averages[n] for n in ema.shadow})


def test_load_takes_over_weights_in_place() -> None:
    model, ema_model, other = network(0), network(1), network(2)
    ema = SharedEMA(model, ema_model, 0.5)
    ema.load(other)
    for mine, theirs in zip(ema_model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.data_ptr() != theirs.data_ptr()
    walk(model, 3)
    wanted = [(p + q) / 2 for p, q in zip(other.parameters(), model.parameters(), strict=True)]
    ema.update()
    torch.testing.assert_close(list(ema_model.parameters()), wanted)


def test_networks_of_different_buffers_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        SharedEMA(network(0), nn.Linear(3, 4), 0.5)


def test_the_hook_starts_at_the_network_and_averages_each_step() -> None:
    model, ema_model = network(0), network(1)
    run: Any = SimpleNamespace(model=model, ema_model=ema_model, ema_m=0.25)
    hook = ModelEMAHook()
    hook.before_run(run)
    start = copied(model)
    assert_same(copied(ema_model), start)
    walk(model, 5)
    hook.after_train_step(run)
    wanted = 0.25 * start["0.weight"] + 0.75 * model[0].weight
    torch.testing.assert_close(ema_model[0].weight, wanted)


def test_a_checkpoint_put_back_into_the_network_moves_the_averages() -> None:
    model, ema_model = network(0), network(1)
    ema = SharedEMA(model, ema_model, 0.5)
    ema_model.load_state_dict(network(7).state_dict())
    for name, value in network(7).named_parameters():
        assert torch.equal(ema.shadow[name], value)


def test_evaluation_reads_averaged_parameters_and_the_trained_statistics() -> None:
    """As an average that is refreshed for it; a buffer that a checkpoint lacks stays as it was averaged."""
    model, ema_model = network(0), network(1)
    walk(model, 2)
    averages, trained = copied(ema_model), copied(model)
    found = evaluated_state(model, averages, trained)
    SharedEMA(model, ema_model, 0.5).copy_buffers()
    assert_same(found, copied(ema_model))
    assert not torch.equal(found["1.running_mean"], averages["1.running_mean"])
    del trained["1.running_mean"]
    found = evaluated_state(model, averages, trained)
    assert torch.equal(found["1.running_mean"], averages["1.running_mean"])


def test_without_averaging_a_step_makes_no_pass_and_the_averages_are_the_network_when_looked_at() -> (
    None
):
    model, ema_model = network(0), network(1)
    algorithm: Any = SimpleNamespace(
        model=model, ema_model=ema_model, ema_m=0.0, ema=None, rule=object(),
        args=SimpleNamespace(imb_algorithm=None),
    )  # fmt: skip
    hook = ModelEMAHook()
    hook.before_run(algorithm)
    started = copied(ema_model)
    for step in range(2):
        walk(model, step)
        hook.after_train_step(algorithm)
    assert_same(copied(ema_model), started)
    algorithm.ema.copy_buffers()
    assert_same(copied(ema_model), copied(model))
    usb: Any = SimpleNamespace(**{**vars(algorithm), "rule": None})
    walk(model, 7)
    hook.after_train_step(usb)
    assert_same(copied(ema_model), copied(model))
