"""A loss that is not finite: noted at its step, named when the log or a checkpoint is due."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from usb_ext.core.errors import RunFailed
from usb_ext.engine.hooks.update import FiniteLossHook

FINE: dict[str, Any] = {"train/sup_loss": 1.0, "train/unsup_loss": torch.tensor(2.0)}


def algorithm(saves_at: int = 10**9) -> Any:
    run = SimpleNamespace(
        it=0,
        num_log_iter=5,
        num_train_iter=100,
        folder=SimpleNamespace(
            path="runs/one", kept="the last good checkpoint is kept in runs/one"
        ),
        out_dict={},
        log_dict={},
    )
    run.checkpoint_due = lambda: run.it + 1 == saves_at
    return run


def step(hook: FiniteLossHook, run: Any, loss: float = 3.0, **changed: Any) -> None:
    run.out_dict = {"loss": torch.tensor(loss)}
    run.log_dict = {**FINE, **{f"train/{k}": v for k, v in changed.items()}}
    hook.after_train_step(run)
    run.it += 1


def until_it_fails(hook: FiniteLossHook, run: Any, limit: int = 50) -> str:
    with pytest.raises(RunFailed) as caught:
        for _ in range(limit):
            step(hook, run)
    return str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [math.nan, math.inf, -math.inf, torch.tensor(math.nan), torch.tensor(-math.inf).double()],
    ids=str,
)
def test_the_step_and_the_term_are_named(bad: float | torch.Tensor) -> None:
    hook, run = FiniteLossHook(), algorithm()
    for _ in range(6):
        step(hook, run)
    step(hook, run, loss=math.nan, unsup_loss=bad)  # the seventh step
    message = until_it_fails(hook, run)
    assert run.it == 9  # read at the tenth step, where the log is due, and not before
    assert message.startswith("train/unsup_loss is not finite at step 7;")
    assert "runs/one" in message and "--lr" in message


def test_terms_that_fail_together_are_named_together_later_ones_are_not() -> None:
    hook, run = FiniteLossHook(), algorithm()
    step(hook, run, sup_loss=math.inf, unsup_loss=math.nan)
    step(hook, run, loss=math.nan)
    assert until_it_fails(hook, run).startswith(
        "train/sup_loss, train/unsup_loss is not finite at step 1;"
    )


def test_a_total_that_no_term_explains() -> None:
    hook, run = FiniteLossHook(), algorithm()
    step(hook, run)
    step(hook, run, loss=math.inf)
    assert until_it_fails(hook, run).startswith("the loss is not finite at step 2;")


def test_finite_losses_never_raise_nor_do_other_values() -> None:
    hook, run = FiniteLossHook(), algorithm()
    for _ in range(11):
        step(hook, run, loss=3e38, sup_loss=torch.tensor(-3e38), util_ratio=math.nan)
    hook.check(run)
    assert run.it == 11


def test_it_is_read_before_a_checkpoint() -> None:
    hook, run = FiniteLossHook(), algorithm(saves_at=3)
    step(hook, run, loss=math.nan)
    step(hook, run)
    with pytest.raises(RunFailed, match="step 1;"):
        step(hook, run)


def test_it_is_read_at_the_last_step() -> None:
    hook, run = FiniteLossHook(), algorithm()
    run.num_train_iter = 2
    step(hook, run)
    with pytest.raises(RunFailed, match="step 2;"):
        step(hook, run, loss=math.nan)


def test_terms_may_come_and_go_without_the_note_being_lost() -> None:
    hook, run = FiniteLossHook(), algorithm()
    step(hook, run, ent_loss=math.nan)
    assert until_it_fails(hook, run).startswith("train/ent_loss is not finite at step 1;")


def test_a_hook_that_saw_nothing_has_nothing_to_say() -> None:
    hook = FiniteLossHook()
    hook.check(algorithm())
    assert hook.names == ()
