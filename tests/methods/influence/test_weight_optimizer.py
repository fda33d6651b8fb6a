"""M-Adam against one scalar torch Adam an entry; Adam and SGD against torch on the whole table."""

import io

import pytest
import torch

from usb_ext.methods.influence.weight_optimizer import KINDS, ScalarTableOptimizer

SIZE, LR = 12, 0.3


def batches(seed: int, steps: int = 40) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random index subsets with repeats, and their gradients."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(steps):
        drawn = int(torch.randint(1, 9, (1,), generator=generator))
        indices = torch.randint(SIZE - 2, (drawn,), generator=generator)  # two are never drawn
        made.append((indices, torch.randn(drawn, generator=generator, dtype=torch.float64)))
    assert any(len(i.unique()) < len(i) for i, _ in made)
    return made


def start() -> torch.Tensor:
    return torch.linspace(-1, 2, SIZE, dtype=torch.float64)


def scalar_adams(steps: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """One torch.optim.Adam an entry, stepped only when its entry is drawn."""
    entries = [torch.nn.Parameter(value.clone()) for value in start()]
    optimizers = [torch.optim.Adam([entry], lr=LR) for entry in entries]
    for indices, gradients in steps:
        for i in set(indices.tolist()):
            entries[i].grad = gradients[indices == i].sum()
            optimizers[i].step()
    return torch.stack([entry.detach() for entry in entries])


def moved(kind: str, steps: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    values, optimizer = start(), ScalarTableOptimizer(SIZE, LR, kind)
    for indices, gradients in steps:
        optimizer.step(values, indices, gradients)
    return values


@pytest.mark.parametrize("seed", range(3))
def test_m_adam_is_one_adam_an_entry(seed: int) -> None:
    steps = batches(seed)
    values = moved("m_adam", steps)
    torch.testing.assert_close(values, scalar_adams(steps), rtol=1e-13, atol=1e-14)
    assert torch.equal(values[-2:], start()[-2:])


def test_adam_is_torchs_on_the_whole_table_and_differs_from_m_adam() -> None:
    steps = batches(5)
    table = torch.nn.Parameter(start())
    optimizer = torch.optim.Adam([table], lr=LR)
    for indices, gradients in steps:
        table.grad = torch.stack([gradients[indices == i].sum() for i in range(SIZE)])
        optimizer.step()
    values = moved("adam", steps)
    torch.testing.assert_close(values, table.detach(), rtol=1e-13, atol=1e-14)
    assert (values - moved("m_adam", steps)).abs().max() > 0.01


def test_sgd_subtracts_every_gradient() -> None:
    steps = batches(6)
    expected = start().tolist()
    for indices, gradients in steps:
        for i, g in zip(indices.tolist(), gradients.tolist(), strict=True):
            expected[i] -= LR * g
    wanted = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(moved("sgd", steps), wanted, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_optimizer_goes_on_as_if_nothing_had_been(kind: str) -> None:
    steps = batches(7)
    values, first = start(), ScalarTableOptimizer(SIZE, LR, kind)
    for indices, gradients in steps[:17]:
        first.step(values, indices, gradients)
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    buffer.seek(0)
    second = ScalarTableOptimizer(SIZE, LR, kind)
    second.load_state_dict(torch.load(buffer, weights_only=True))
    for indices, gradients in steps[17:]:
        second.step(values, indices, gradients)
    assert torch.equal(values, moved(kind, steps))


def test_the_saved_state_does_not_move_on() -> None:
    optimizer = ScalarTableOptimizer(SIZE, LR)
    state = optimizer.state_dict()
    optimizer.step(start(), torch.tensor([3]), torch.tensor([1.0]))
    assert state["steps"].sum() == 0 and optimizer.steps.tolist() == [0, 0, 0, 1] + [0] * 8


def test_a_single_precision_table_keeps_a_double_precision_state() -> None:
    values, optimizer = start().float(), ScalarTableOptimizer(SIZE, LR)
    optimizer.step(values, torch.tensor([0, 0]), torch.tensor([0.5, 0.25]))
    assert values.dtype == torch.float32 and optimizer.first.dtype == torch.float64
    assert values[0].item() == pytest.approx(-1 - LR, rel=1e-6)  # the first step is lr * sign(g)


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="rmsprop.*m_adam, adam, sgd"):
        ScalarTableOptimizer(SIZE, LR, "rmsprop")
